//! The ways to reach people. Each is one file with one pure function: a notification in, requests (or a mail) out.
//!
//! To add one: its file here, a variant of `ChannelConfig` in `shared/src/config/channels.rs`, and a line in [`pack`],
//! which does not compile without it.

mod discord;
mod email;
mod ntfy;
mod pagerduty;
mod slack;
mod text;
mod webhook;

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::{config::ChannelConfig, outbox::Notification};

use crate::{call::Call, vault::Vault, verdict::Trouble};

/// A notification on its way.
#[derive(Clone, Copy)]
pub struct Told<'n> {
    pub notification: &'n Notification,
    /// The message's; the same for every attempt.
    pub id: &'n str,
    pub now: Timestamp,
}

/// What a channel makes of it.
pub enum Parcel {
    /// One after the other; each must be delivered.
    Calls(Vec<Call>),
    Mail(Mail),
}

#[derive(Debug, PartialEq, Eq)]
pub struct Mail {
    pub subject: String,
    pub text: String,
}

/// Looks up the channel and its secrets, and has the notification put into its form.
pub async fn pack(
    told: Told<'_>,
    channels: &BTreeMap<String, ChannelConfig>,
    vault: &Vault,
) -> Result<Parcel, Trouble> {
    let name = &told.notification.channel;
    let channel = channels.get(name).ok_or_else(|| {
        Trouble::Unfit(format!("there is no channel {name:?}; add [channels.{name}] to solo.toml and deploy"))
    })?;
    let calls = match channel {
        ChannelConfig::Email => return Ok(Parcel::Mail(email::mail(told))),
        ChannelConfig::Slack { secret } => vec![slack::call(told, &vault.one(secret).await?)?],
        ChannelConfig::Discord { secret } => vec![discord::call(told, &vault.one(secret).await?)?],
        ChannelConfig::PagerDuty { secret } => pagerduty::calls(told, &vault.one(secret).await?)?,
        ChannelConfig::Webhook { secret } => {
            let url = vault.one(secret).await?;
            let signing = vault.find(&webhook::signing_secret_of(secret)).await?;
            vec![webhook::call(told, &url, signing)?]
        }
        ChannelConfig::Ntfy { url, secret } => {
            let token = match secret {
                Some(secret) => Some(vault.one(secret).await?),
                None => None,
            };
            vec![ntfy::call(told, url, token)?]
        }
    };
    Ok(Parcel::Calls(calls))
}

#[cfg(test)]
mod samples {
    use serde_json::Value;
    use shared::{alerts::Severity, outbox::Item};

    use super::*;
    use crate::vault::Used;

    pub const ID: &str = "0190a5c4-0000-7000-8000-000000000001";

    pub fn secret(name: &str, value: &str) -> Used {
        Used { name: name.into(), value: value.into() }
    }

    pub fn item(severity: Severity, key: &str, message: &str) -> Item {
        Item {
            key: key.into(),
            severity,
            message: message.into(),
            occurrences: 1,
            first: "2026-11-22T05:00:00Z".parse().unwrap(),
            last: "2026-11-22T05:04:00Z".parse().unwrap(),
            resolved: false,
        }
    }

    /// A digest of two: one that recurred and has every special character in it, one that is over.
    pub fn digest() -> Notification {
        let recurring = Item {
            occurrences: 3,
            ..item(Severity::Warning, "payload_changed:stripe", "<!channel> @everyone *bold* & \"ž\"\nx")
        };
        let over =
            Item { resolved: true, ..item(Severity::Critical, "outbox_dead:api.example.com", "the API is down") };
        Notification {
            channel: "ops".into(),
            severity: Severity::Critical,
            title: "2 alerts: 1 warning, 1 resolved".into(),
            text: String::new(),
            items: vec![recurring, over],
        }
    }

    /// More than fits anywhere.
    pub fn flood() -> Notification {
        let items = (0..100).map(|n| item(Severity::Info, &format!("key_{n}"), &"<&>*ž".repeat(400))).collect();
        Notification { title: "<&>*ž".repeat(2_000), text: "<&>*ž".repeat(20_000), items, ..digest() }
    }

    pub fn told(notification: &Notification) -> Told<'_> {
        Told { notification, id: ID, now: "2026-11-22T05:05:00Z".parse().unwrap() }
    }

    pub fn json(call: &Call) -> Value {
        serde_json::from_str(call.body.as_deref().unwrap()).unwrap()
    }
}
