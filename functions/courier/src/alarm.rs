//! CloudWatch's alarms, on their way to people. They come through an SNS topic that courier's queue is subscribed to, as SNS
//! wraps them (<https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html>), and become one message for each
//! channel of critical alerts. What comes to that topic and is no alarm (a budget's mail) is told as it is.
//!
//! Channels of the kind `email` are left out: who wants alarms by e-mail is subscribed to the topic.

use jiff::{Timestamp, fmt::strtime};
use serde::Deserialize;
use shared::{
    alerts::Severity,
    clock,
    config::{ChannelConfig, SoloToml},
    outbox::{self, Effect, Item, Notification, Outbound},
};

use crate::words::{cut, one_line};

/// In bytes. CloudWatch's own limit for a description is 1,024 characters, for a reason 1,023.
const LONGEST: usize = 4_000;

/// What SNS puts on a queue, without raw message delivery.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wrapper {
    #[serde(rename = "Type")]
    kind: String,
    message_id: String,
    #[serde(default)]
    subject: Option<String>,
    message: String,
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    alarm_name: String,
    #[serde(default)]
    alarm_description: Option<String>,
    new_state_value: State,
    #[serde(default)]
    new_state_reason: String,
    #[serde(default)]
    state_change_time: String,
    #[serde(default)]
    old_state_value: Option<State>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum State {
    Ok,
    Alarm,
    InsufficientData,
}

/// What `body` has to tell, once for each channel; `None` when it is not from SNS. An empty list: nobody needs to know.
pub(crate) fn read(body: &str, file: &SoloToml) -> Option<Vec<Outbound>> {
    let wrapper: Wrapper =
        serde_json::from_str(body).ok().filter(|wrapper: &Wrapper| wrapper.kind == "Notification")?;
    let Some((title, item)) = told(&wrapper) else { return Some(Vec::new()) };
    let mail = |name: &str| matches!(file.channels.get(name), Some(ChannelConfig::Email));
    let channels = file.alerts.critical.iter().filter(|name| !mail(name));
    Some(channels.map(|channel| outbound(&wrapper.message_id, channel, &title, &item)).collect())
}

fn told(wrapper: &Wrapper) -> Option<(String, Item)> {
    let severity = Severity::Critical;
    let Ok(change) = serde_json::from_str::<Change>(&wrapper.message) else {
        let (title, now) = (wrapper.subject.as_deref().unwrap_or("a message from AWS"), clock::now());
        let message = cut(&wrapper.message, LONGEST);
        let item =
            Item { key: "aws".into(), severity, message, occurrences: 1, first: now, last: now, resolved: false };
        return Some((one_line(&cut(title, LONGEST)), item));
    };
    let resolved = match change.new_state_value {
        State::Alarm => false,
        // A new alarm's first look. It was never on.
        State::Ok if change.old_state_value == Some(State::InsufficientData) => return None,
        State::Ok => true,
        State::InsufficientData => return None,
    };
    let at = moment(&change.state_change_time);
    let name = one_line(&cut(&change.alarm_name, 255));
    let title = if resolved { format!("over: {name}") } else { format!("alarm: {name}") };
    let what = change.alarm_description.unwrap_or_default();
    let message = one_line(&cut(&format!("{what} {}", change.new_state_reason), LONGEST));
    let item = Item { key: format!("alarm:{name}"), severity, message, occurrences: 1, first: at, last: at, resolved };
    Some((title, item))
}

/// `2026-11-22T08:15:30.123+0000`, which is not RFC 3339.
fn moment(text: &str) -> Timestamp {
    strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text).and_then(|time| time.to_timestamp()).unwrap_or_else(|_| clock::now())
}

/// A message that comes twice makes the same key, by which the other side knows it.
fn outbound(message_id: &str, channel: &str, title: &str, item: &Item) -> Outbound {
    let notification = Notification {
        channel: channel.to_owned(),
        severity: item.severity,
        title: title.to_owned(),
        text: String::new(),
        items: vec![item.clone()],
    };
    let message_id = cut(message_id, 100);
    Outbound {
        trace_parent: None,
        version: outbox::VERSION,
        id: clock::new_id(),
        tracked: false,
        idempotency_key: format!("alarm-{message_id}-{channel}"),
        correlation_id: format!("alarm-{message_id}"),
        effect: Effect::Notify(notification),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TOML: &str = "[alerts]\ncritical = ['ops', 'founder']\n[channels.ops]\nkind = 'webhook'\nsecret = 'OPS_URL'\n\
                        [channels.founder]\nkind = 'email'";

    fn wrapped(message: &str) -> String {
        json!({
            "Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:us-east-1:123456789012:alarms",
            "Subject": "ALARM: \"x\" in US East (N. Virginia)", "Message": message,
            "Timestamp": "2026-11-22T08:15:31.000Z", "SignatureVersion": "1", "Signature": "s", "SigningCertURL": "u",
        })
        .to_string()
    }

    fn change(old: &str, new: &str) -> String {
        wrapped(
            &json!({
                "AlarmName": "solo-os-staging-WebhooksErrors-1A2B", "AlarmDescription": "A fifth of the calls fail.",
                "AWSAccountId": "123456789012", "NewStateValue": new, "NewStateReason": "Threshold Crossed: 1 datapoint",
                "StateChangeTime": "2026-11-22T08:15:30.123+0000", "OldStateValue": old, "Trigger": {"Period": 300},
            })
            .to_string(),
        )
    }

    fn read(body: &str) -> Option<Vec<Outbound>> {
        super::read(body, &SoloToml::parse(TOML).unwrap())
    }

    fn only(body: &str) -> (String, Notification) {
        let [outbound] = <[Outbound; 1]>::try_from(read(body).unwrap()).unwrap();
        let Effect::Notify(notification) = outbound.effect else { panic!() };
        (outbound.idempotency_key, notification)
    }

    #[test]
    fn an_alarm_is_told_to_every_critical_channel_but_e_mail() {
        let (key, told) = only(&change("OK", "ALARM"));
        assert_eq!((key.as_str(), told.channel.as_str()), ("alarm-m-1-ops", "ops"));
        assert_eq!(told.title, "alarm: solo-os-staging-WebhooksErrors-1A2B");
        let [item] = &told.items[..] else { panic!() };
        assert_eq!(item.message, "A fifth of the calls fail. Threshold Crossed: 1 datapoint");
        assert_eq!((item.first.to_string().as_str(), item.resolved), ("2026-11-22T08:15:30.123Z", false));
        assert_eq!(item.key, "alarm:solo-os-staging-WebhooksErrors-1A2B");
    }

    #[test]
    fn its_end_is_told_under_the_same_key_and_its_beginning_is_not() {
        let (_, told) = only(&change("ALARM", "OK"));
        assert!(told.title.starts_with("over: ") && told.items[0].resolved);
        assert_eq!(told.items[0].key, "alarm:solo-os-staging-WebhooksErrors-1A2B");
        for (old, new) in [("INSUFFICIENT_DATA", "OK"), ("OK", "INSUFFICIENT_DATA")] {
            assert_eq!(read(&change(old, new)), Some(Vec::new()), "{old} to {new}");
        }
        assert_eq!(read(&change("INSUFFICIENT_DATA", "ALARM")).map(|told| told.len()), Some(1));
    }

    #[test]
    fn what_is_no_alarm_is_told_as_it_is() {
        let (_, told) = only(&wrapped("AWS Budgets: you are over 80 %\nof 40 USD"));
        assert_eq!(told.title, "ALARM: \"x\" in US East (N. Virginia)");
        assert_eq!(told.items[0].message, "AWS Budgets: you are over 80 %\nof 40 USD");
    }

    #[test]
    fn what_is_not_from_sns_is_left_alone() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"version": 1}"#,
            r#"{"Type": "SubscriptionConfirmation", "MessageId": "m", "Message": ""}"#,
        ] {
            assert_eq!(read(body), None, "{body}");
        }
        assert!(
            read(&wrapped(&"ž".repeat(100_000))).is_some_and(|told| outbox::encode(&told[0]).unwrap().len() < 10_000)
        );
    }
}
