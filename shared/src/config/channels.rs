//! `[alerts]`, `[channels]` and `[outbound]` of `solo.toml`: who is told what, and how fast others are called.

use std::{collections::BTreeMap, num::NonZeroU32};

use serde::Deserialize;

use super::Fault;
use crate::alerts::QuietHours;

/// `[alerts]`: which channels get what.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "AlertingToml")]
pub struct Alerting {
    /// Channels that get critical alerts, at once. None: they stay in the database and the log.
    pub critical: Vec<String>,
    /// Channels that get the digest of all others.
    pub digest: Vec<String>,
    /// When digests wait.
    pub quiet: Option<QuietHours>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct AlertingToml {
    critical: Vec<String>,
    digest: Vec<String>,
    quiet_hours: Option<String>,
    time_zone: Option<String>,
}

impl TryFrom<AlertingToml> for Alerting {
    type Error = String;

    fn try_from(toml: AlertingToml) -> Result<Self, String> {
        let zone = toml.time_zone.as_deref().unwrap_or("UTC");
        let quiet = toml.quiet_hours.map(|hours| QuietHours::parse(&hours, zone)).transpose()?;
        Ok(Self { critical: toml.critical, digest: toml.digest, quiet })
    }
}

/// `[channels.<name>]`: a way to reach people. `secret` is a name in the app's secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ChannelConfig {
    /// An incoming webhook's URL (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).
    Slack { secret: String },
    /// A webhook's URL (<https://docs.discord.com/developers/resources/webhook#execute-webhook>).
    Discord { secret: String },
    /// A URL that takes our own JSON.
    Webhook { secret: String },
    /// The SNS topic of the stage (`ALERTS_TOPIC_ARN`), which has e-mail addresses subscribed to it.
    Email,
    /// An integration key of the Events API, version 2 (<https://developer.pagerduty.com/docs/events-api-v2-overview>).
    PagerDuty { secret: String },
    /// A topic's URL (<https://docs.ntfy.sh/publish/>), and an access token when the topic is protected.
    Ntfy {
        url: url::Url,
        #[serde(default)]
        secret: Option<String>,
    },
}

/// `[outbound]`: how fast one courier calls others. More waits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundLimits {
    pub requests_per_second: NonZeroU32,
    pub burst: NonZeroU32,
    /// `[outbound.destinations."api.example.com"]`: hosts, and channels by their name, with limits of their own.
    pub destinations: BTreeMap<String, DestinationLimits>,
    /// How often an effect is tried, the first time included. 1 to 10.
    pub max_attempts: u16,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationLimits {
    pub requests_per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

impl Default for OutboundLimits {
    fn default() -> Self {
        let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            requests_per_second: at_least_one(5),
            burst: at_least_one(10),
            destinations: BTreeMap::new(),
            max_attempts: 5,
        }
    }
}

/// Destinations of the outbox that are no channels: limits and alerts know them by these names.
const OTHERS: [&str; 2] = ["ping", "tracker"];

/// What the parts must say about each other.
pub(super) fn check(
    alerting: &Alerting,
    channels: &BTreeMap<String, ChannelConfig>,
    outbound: &OutboundLimits,
) -> Result<(), Fault> {
    let named = alerting.critical.iter().chain(&alerting.digest);
    if let Some(missing) = named.into_iter().find(|name| !channels.contains_key(*name)) {
        let problem = format!("sends alerts to the channel {missing:?}, which is not there");
        return Err(Fault::new("solo.toml", &problem).hint(&format!("add [channels.{missing}], or take it out")));
    }
    if let Some(taken) = channels.keys().find(|name| OTHERS.contains(&name.as_str())) {
        let problem = format!("has a channel named {taken:?}, which is the name of another destination");
        return Err(Fault::new("solo.toml", &problem).hint("give it another name"));
    }
    if !(1..=10).contains(&outbound.max_attempts) {
        let problem = format!("has outbound.max_attempts = {}", outbound.max_attempts);
        return Err(Fault::new("solo.toml", &problem).hint("it takes 1 to 10"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::SoloToml;

    #[test]
    fn channels_and_hours_are_checked() {
        for (text, named) in [
            ("[alerts]\ncritical = ['pager']", "pager"),
            ("[alerts]\nquiet_hours = 'night'", "night"),
            ("[alerts]\nquiet_hours = '22:00-07:00'\ntime_zone = 'Nowhere'", "Nowhere"),
            ("[channels.ops]\nkind = 'pigeon'", "pigeon"),
            ("[channels.ops]\nkind = 'slack'\nsecret = 'A'\nurl = 'x'", "url"),
            ("[channels.ops]\nkind = 'slack'", "secret"),
            ("[channels.tracker]\nkind = 'slack'\nsecret = 'A'", "tracker"),
            ("[outbound]\nmax_attempts = 0", "max_attempts"),
            ("[outbound.destinations.'api.example.com']\nburst = 0", "burst"),
        ] {
            let fault = SoloToml::parse(text).expect_err(text).to_string();
            assert!(fault.contains(named), "{named} in {fault}");
        }
        let file =
            SoloToml::parse("[alerts]\ndigest = ['ops']\n[channels.ops]\nkind = 'ntfy'\nurl = 'https://ntfy.sh/x'")
                .unwrap();
        assert_eq!(file.alerts.digest, ["ops"]);
    }
}
