//! PagerDuty's Events API, version 2: one event for each alert, under the alert's key, so that raising it again does not
//! page again, and its end resolves the incident
//! (<https://developer.pagerduty.com/docs/send-alert-event>: a key of 255 characters, a summary of 1,024 at most).

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use shared::{
    alerts::Severity,
    outbox::{Item, Notification},
};
use url::Url;

use super::Told;
use crate::{
    call::Call,
    vault::Used,
    verdict::Trouble,
    words::{cut_chars, one_line},
};

const ENQUEUE: &str = "https://events.pagerduty.com/v2/enqueue";
/// How many events one message becomes. What is left is one more event.
const MOST: usize = 50;
const SOURCE: &str = "solo-os";

pub(super) fn calls(told: Told<'_>, routing_key: &Used) -> Result<Vec<Call>, Trouble> {
    let url = Url::parse(ENQUEUE).map_err(|error| Trouble::Unfit(error.to_string()))?;
    let key = routing_key.value.expose_secret().trim();
    let events = events(told).into_iter().map(|mut event| {
        event["routing_key"] = key.into();
        let call = Call::post_to(url.clone(), "application/json", event.to_string());
        Call { secrets: vec![routing_key.clone()], ..call }
    });
    Ok(events.collect())
}

fn events(told: Told<'_>) -> Vec<Value> {
    let items = &told.notification.items;
    if items.is_empty() {
        return vec![general(told, told.id, &told.notification.title)];
    }
    if items.len() <= MOST {
        return items.iter().map(event).collect();
    }
    // An end that is not told would leave an incident open.
    let (over, open): (Vec<&Item>, Vec<&Item>) = items.iter().partition(|item| item.resolved);
    let mut events: Vec<Value> = over.into_iter().chain(open).take(MOST - 1).map(event).collect();
    let more = format!("and {} more alerts", items.len() - events.len());
    events.push(general(told, &format!("{}-more", told.id), &more));
    events
}

fn event(item: &Item) -> Value {
    if item.resolved {
        return json!({"event_action": "resolve", "dedup_key": cut_chars(&item.key, 255)});
    }
    json!({
        "event_action": "trigger",
        "dedup_key": cut_chars(&item.key, 255),
        "payload": {
            "summary": cut_chars(&one_line(&item.message), 1_024),
            "source": SOURCE,
            "severity": item.severity.as_str(),
            "timestamp": item.last.to_string(),
            "custom_details": {
                "key": item.key, "occurrences": item.occurrences, "first": item.first, "last": item.last,
            },
        },
    })
}

/// An event for what is no single alert.
fn general(told: Told<'_>, dedup_key: &str, summary: &str) -> Value {
    let Notification { severity, text, .. } = told.notification;
    let severity: &Severity = severity;
    json!({
        "event_action": "trigger",
        "dedup_key": cut_chars(dedup_key, 255),
        "payload": {
            "summary": cut_chars(&one_line(summary), 1_024),
            "source": SOURCE,
            "severity": severity.as_str(),
            "timestamp": told.now.to_string(),
            "custom_details": {"text": cut_chars(text, 10_000)},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::{super::samples, *};

    const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";

    fn bodies(notification: &Notification) -> Vec<Value> {
        let calls = calls(samples::told(notification), &samples::secret("PAGERDUTY_KEY", ROUTING_KEY)).unwrap();
        assert!(calls.iter().all(|call| call.url.as_str() == ENQUEUE && call.secrets.len() == 1));
        calls.iter().map(samples::json).collect()
    }

    #[test]
    fn golden() {
        assert_eq!(
            bodies(&samples::digest()),
            [
                json!({
                    "routing_key": ROUTING_KEY,
                    "event_action": "trigger",
                    "dedup_key": "payload_changed:stripe",
                    "payload": {
                        "summary": "<!channel> @everyone *bold* & \"ž\" x",
                        "source": "solo-os",
                        "severity": "warning",
                        "timestamp": "2026-11-22T05:04:00Z",
                        "custom_details": {
                            "key": "payload_changed:stripe", "occurrences": 3,
                            "first": "2026-11-22T05:00:00Z", "last": "2026-11-22T05:04:00Z",
                        },
                    },
                }),
                json!({
                    "routing_key": ROUTING_KEY,
                    "event_action": "resolve",
                    "dedup_key": "outbox_dead:api.example.com",
                }),
            ]
        );
    }

    #[test]
    fn a_message_without_alerts_is_one_event_under_its_own_id() {
        let bodies = bodies(&Notification { items: vec![], text: "more".into(), ..samples::digest() });
        assert_eq!(bodies.len(), 1);
        assert_eq!(bodies[0]["dedup_key"], samples::ID);
        assert_eq!(bodies[0]["payload"]["severity"], "critical");
        assert_eq!(bodies[0]["payload"]["custom_details"]["text"], "more");
    }

    #[test]
    fn of_a_flood_the_ends_come_first_and_the_rest_is_counted() {
        let mut flood = samples::flood();
        flood.items[99].resolved = true;
        let bodies = bodies(&flood);
        assert_eq!(bodies.len(), MOST);
        assert_eq!(bodies[0]["event_action"], "resolve");
        assert_eq!(bodies[MOST - 1]["payload"]["summary"], "and 51 more alerts");
        let summaries = bodies.iter().filter_map(|body| body["payload"]["summary"].as_str());
        assert!(summaries.into_iter().all(|summary| summary.chars().count() <= 1_024));
    }
}
