//! `solo.toml`: behaviour that is under version control and the same on every stage. Unknown keys are refused, so that
//! a typing mistake is not a silent default.

use std::{collections::BTreeMap, num::NonZeroU32};

use secrecy::SecretString;
use serde::Deserialize;

use super::{
    Alerting, ChannelConfig, Env, Fault, Faults, OutboundLimits, ProviderConfig, Retention, channels, provider,
};
use crate::{providers::Provider, secrets::webhook_secret};

/// The largest body that may be allowed: an API Gateway event of 6 MB carries 4.5 MB of base64 at most.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoloToml {
    #[serde(default)]
    pub limits: Limits,
    #[serde(default, deserialize_with = "provider::read_all")]
    pub providers: BTreeMap<String, ProviderConfig>,
    #[serde(default)]
    pub alerts: Alerting,
    #[serde(default)]
    pub channels: BTreeMap<String, ChannelConfig>,
    #[serde(default)]
    pub outbound: OutboundLimits,
    #[serde(default)]
    pub retention: Retention,
    #[serde(default)]
    pub jobs: JobsToml,
    #[serde(default)]
    pub errors: ErrorsToml,
}

/// `[jobs]`: who outside is told of runs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobsToml {
    /// A name in the app's secret, whose value is the base URL of pings: `https://hc-ping.com/<ping key>`.
    pub ping: Option<String>,
}

/// `[errors]`: who outside is told of errors.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ErrorsToml {
    /// A name in the app's secret, whose value is the DSN of an error tracker that speaks Sentry's protocol.
    pub tracker: Option<String>,
}

/// Refuses what is not the name of a secret, without quoting it: it may be the secret itself.
fn check_name(setting: &str, name: Option<&str>, hint: &str) -> Result<(), Fault> {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_uppercase())
            && name.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
    };
    if name.is_none_or(is_name) {
        return Ok(());
    }
    Err(Fault::new("solo.toml", &format!("has {setting}, which is not the name of a secret")).hint(hint))
}

/// `[limits]`: what a request may be, and how many of them one client may send.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest body that is read, in bytes, after base64 is undone. A larger one is answered with 413.
    pub body_bytes: usize,
    /// What one client address may send to one environment, on average and at once. More is answered with 429.
    pub requests_per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self { body_bytes: 1024 * 1024, requests_per_second: at_least_one(100), burst: at_least_one(200) }
    }
}

impl SoloToml {
    /// The file that was built in, or the one that `SOLO_TOML` names.
    pub fn read(env: &Env, built_in: &str, faults: &mut Faults) -> Option<Self> {
        let Some(path) = env.optional("SOLO_TOML") else {
            return Self::parse(built_in).map_err(|fault| faults.push(fault)).ok();
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).map_err(|fault| faults.push(fault)).ok(),
            Err(error) => {
                faults.push(Fault::new("SOLO_TOML", &format!("names {path}, which cannot be read: {error}")));
                None
            }
        }
    }

    pub fn parse(text: &str) -> Result<Self, Fault> {
        let file: Self = toml::from_str(text).map_err(|error| Fault::new("solo.toml", &format!("\n{error}")))?;
        if !(1..=LARGEST_BODY).contains(&file.limits.body_bytes) {
            let problem = format!("has limits.body_bytes = {}", file.limits.body_bytes);
            return Err(Fault::new("solo.toml", &problem).hint(&format!("it takes 1 to {LARGEST_BODY}")));
        }
        channels::check(&file.alerts, &file.channels, &file.outbound)?;
        file.retention.check()?;
        let hint = "put the URL into the app's secret as PING_URL, and write ping = \"PING_URL\"";
        check_name("jobs.ping", file.jobs.ping.as_deref(), hint)?;
        let hint = "put the DSN into the app's secret as SENTRY_DSN, and write tracker = \"SENTRY_DSN\"";
        check_name("errors.tracker", file.errors.tracker.as_deref(), hint)?;
        Ok(file)
    }

    /// The provider of that name, with code of its own or configured, whether it is on or off.
    pub fn provider(&self, name: &str) -> Option<(&dyn Provider, &ProviderConfig)> {
        self.providers.get(name).map(|settings| (settings.provider(), settings))
    }

    /// What is wrong with the form of a secret of that name, if it belongs to a provider that is on.
    pub fn check_secret(&self, name: &str, secret: &SecretString) -> Result<(), String> {
        let owner =
            self.providers.iter().find(|(provider, settings)| settings.enabled && webhook_secret(provider) == name);
        owner.map_or(Ok(()), |(_, settings)| settings.provider().check_secret(secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_and_providers_are_refused_by_name() {
        for (text, named) in [
            ("[limit]\nbody_bytes = 1", "limit"),
            ("[limits]\nbody = 1", "body"),
            ("[limits]\nbody_bytes = 0", "body_bytes"),
            ("[limits]\nbody_bytes = 99999999", "body_bytes"),
            ("[limits]\nburst = 0", "burst"),
            ("[providers.strip]\n", "strip"),
            ("[providers.stripe]\non_failure = 'shrug'", "shrug"),
            ("[providers.stripe]\ntolerance_seconds = 0", "tolerance_seconds"),
            ("[providers.stripe]\ntolerance = 5", "tolerance"),
            ("providers = 3", "providers"),
            ("[jobs]\nping = 'https://hc-ping.com/s3cret'", "not the name of a secret"),
            ("[jobs]\npings = 'PING_URL'", "pings"),
            ("[errors]\ntracker = 'https://s3cret@o1.ingest.sentry.io/1'", "not the name of a secret"),
            ("[errors]\ntrackers = 'SENTRY_DSN'", "trackers"),
        ] {
            let fault = SoloToml::parse(text).expect_err(text).to_string();
            assert!(fault.contains(named), "{named} in {fault}");
        }
    }

    #[test]
    fn an_empty_file_has_the_defaults() {
        let file = SoloToml::parse("").unwrap();
        assert_eq!(file.limits.body_bytes, 1_048_576);
        assert!(file.providers.is_empty());
        assert_eq!(file.jobs.ping, None);
    }

    #[test]
    fn a_secret_that_stands_where_its_name_should_is_not_quoted() {
        let fault = SoloToml::parse("[jobs]\nping = 'https://hc-ping.com/s3cret'").unwrap_err().to_string();
        assert!(!fault.contains("s3cret"), "{fault}");
        assert_eq!(SoloToml::parse("[jobs]\nping = 'PING_URL'").unwrap().jobs.ping.as_deref(), Some("PING_URL"));
    }
}
