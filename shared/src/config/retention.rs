//! `[retention]` of `solo.toml`: how long what is done with is kept. In days.
//!
//! Migrations 0016 and 0018 have the same floors: the database refuses less, whoever asks.

use serde::Deserialize;

use super::Fault;

/// The longest that anything can be kept: ten years.
const LONGEST: u16 = 3_650;

/// What was never done with (dead letters that nobody resolved, open alerts, effects that could not be delivered and their
/// executions) is kept for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Payloads of executions, from when they completed, or were resolved as dead letters. At least 7.
    pub payload_days: u16,
    /// The executions themselves, from then: the keys that tell duplicates, and the attempts. At least 30, and longer than
    /// payloads. The keys of effects (`send_once`) for so long and `payload_days` more, from when those were delivered.
    pub key_days: u16,
    /// Effects without a key of the handler's own, from when they were delivered, and pings and reports of errors that were not. At least 7.
    pub effect_days: u16,
    /// Alerts, from when they were resolved, and silences, from their end. At least 30.
    pub alert_days: u16,
    /// Runs of jobs. At least 30.
    pub run_days: u16,
    /// Runs of the tick, of which there is one a minute. At least 1.
    pub tick_days: u16,
    /// Errors, from when they were last seen, resolved or not. At least 30.
    pub error_days: u16,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            payload_days: 30,
            key_days: 90,
            effect_days: 30,
            alert_days: 90,
            run_days: 90,
            tick_days: 7,
            error_days: 90,
        }
    }
}

impl Retention {
    pub(super) fn check(&self) -> Result<(), Fault> {
        for (name, days, floor) in [
            ("payload_days", self.payload_days, 7),
            ("key_days", self.key_days, 30),
            ("effect_days", self.effect_days, 7),
            ("alert_days", self.alert_days, 30),
            ("run_days", self.run_days, 30),
            ("tick_days", self.tick_days, 1),
            ("error_days", self.error_days, 30),
        ] {
            if !(floor..=LONGEST).contains(&days) {
                let problem = format!("has retention.{name} = {days}");
                return Err(Fault::new("solo.toml", &problem).hint(&format!("it takes {floor} to {LONGEST}")));
            }
        }
        if self.key_days <= self.payload_days {
            let (keys, payloads) = (self.key_days, self.payload_days);
            let problem = format!("has retention.key_days = {keys}, and payload_days = {payloads}");
            let hint = "keys have to live longer than payloads: they tell the duplicates that come late";
            return Err(Fault::new("solo.toml", &problem).hint(hint));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::SoloToml;
    use super::*;

    #[test]
    fn what_is_too_short_too_long_or_the_wrong_way_round_is_refused() {
        for (text, named) in [
            ("payload_days = 6", "payload_days"),
            ("key_days = 29", "key_days"),
            ("effect_days = 6", "effect_days"),
            ("alert_days = 29", "alert_days"),
            ("run_days = 29", "run_days"),
            ("tick_days = 0", "tick_days"),
            ("error_days = 29", "error_days"),
            ("key_days = 3651", "key_days"),
            ("key_days = -1", "key_days"),
            ("key_days = 90.5", "key_days"),
            ("keys = 90", "keys"),
            ("payload_days = 90", "longer than payloads"),
            ("payload_days = 90\nkey_days = 60", "longer than payloads"),
        ] {
            let fault = SoloToml::parse(&format!("[retention]\n{text}")).expect_err(text).to_string();
            assert!(fault.contains(named), "{named} in {fault}");
        }
        let shortest =
            "payload_days = 7\nkey_days = 30\neffect_days = 7\nalert_days = 30\nrun_days = 30\ntick_days = 1";
        assert_eq!(SoloToml::parse(&format!("[retention]\n{shortest}")).unwrap().retention.tick_days, 1);
    }

    #[test]
    fn the_file_that_is_built_in_says_the_defaults() {
        let built_in = SoloToml::parse(super::super::BUILT_IN).unwrap().retention;
        assert_eq!(built_in, Retention::default());
        assert_eq!(SoloToml::parse("").unwrap().retention, built_in);
    }
}
