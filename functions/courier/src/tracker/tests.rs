//! The envelope, pinned, and what a DSN may be.

use serde_json::json;

use super::*;

fn sighting() -> Sighting {
    Sighting {
        secret: "SENTRY_DSN".into(),
        fingerprint: "0123456789abcdef0123456789abcdef".into(),
        error: "panic".into(),
        culprit: "record_payment".into(),
        title: "the handler panicked: no row <n>".into(),
        message: "the handler panicked: no row 7".into(),
        source: Some("stripe".into()),
        event_type: Some("invoice.paid".into()),
        execution_id: Some(Uuid::nil()),
        correlation_id: Some("0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11".into()),
        first_seen: "2026-11-21T10:00:00Z".parse().unwrap(),
        last_seen: "2026-11-22T10:00:00Z".parse().unwrap(),
        count: 10,
        regressions: 1,
        release: Some("abc123".into()),
    }
}

fn made(sighting: &Sighting) -> Call {
    let dsn = dsn("https://publickey@o1.ingest.example.com/42");
    let now = "2026-11-22T10:01:00Z".parse().unwrap();
    let report = Report { sighting, id: Uuid::from_u128(7), stage: "production", now };
    call(&report, &dsn).unwrap_or_else(|error| panic!("{error}"))
}

fn dsn(value: &str) -> Used {
    Used { name: "SENTRY_DSN".into(), value: value.into() }
}

fn lines(call: &Call) -> Vec<Value> {
    call.body.as_deref().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn golden() {
    let call = made(&sighting());
    assert_eq!(call.url.as_str(), "https://o1.ingest.example.com/api/42/envelope/");
    assert_eq!(call.headers["content-type"], "application/x-sentry-envelope");
    let auth = call.headers[AUTH].to_str().unwrap();
    assert!(auth.starts_with("Sentry sentry_key=publickey, sentry_version=7") && auth.contains(CLIENT), "{auth}");
    assert!(call.headers[AUTH].is_sensitive());
    let length = call.body.as_deref().unwrap().lines().nth(2).unwrap().len();
    let id = "00000000000000000000000000000007";
    assert_eq!(
        lines(&call),
        [
            json!({"event_id": Uuid::from_u128(7), "sent_at": "2026-11-22T10:01:00Z"}),
            json!({"type": "event", "length": length}),
            json!({
                "event_id": id, "timestamp": 1_795_341_600, "level": "fatal", "platform": "native",
                "logger": "solo-os", "environment": "production", "release": "abc123", "transaction": "record_payment",
                "fingerprint": ["0123456789abcdef0123456789abcdef"],
                "tags": {
                    "handler": "record_payment", "kind": "panic", "source": "stripe", "event_type": "invoice.paid",
                    "execution_id": "00000000-0000-0000-0000-000000000000",
                    "correlation_id": "0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11",
                },
                "contexts": {"trace": {
                    "type": "trace", "trace_id": "0199c5a27d1e7cc09a573f1b7a6d0c11", "span_id": "0000000000000007",
                }},
                "extra": {
                    "title": "the handler panicked: no row <n>", "times": 10, "first_seen": "2026-11-21T10:00:00Z",
                    "regressions": 1, "show": "solo errors show 0123456789abcdef0123456789abcdef",
                },
                "exception": {"values": [{"type": "panic", "value": "the handler panicked: no row 7"}]},
            }),
        ]
    );
}

/// An envelope is lines: nothing in an error may begin another one.
#[test]
fn whatever_an_error_says_the_envelope_has_three_lines() {
    let evil = "a\n{\"type\":\"attachment\"}\r\n\u{2028}\0".repeat(500);
    let (source, correlation_id) = (Some(evil.clone()), Some(evil.clone()));
    let all =
        Sighting { message: evil.clone(), title: evil.clone(), culprit: evil, source, correlation_id, ..sighting() };
    let body = made(&all).body.unwrap();
    assert_eq!(body.split('\n').count(), 4, "{body}");
    let event = lines(&made(&all)).remove(2);
    for (name, value) in event["tags"].as_object().unwrap() {
        assert!(value.as_str().unwrap().chars().count() <= LONGEST_TAG, "{name}");
    }
    assert_eq!(event["contexts"]["trace"]["trace_id"].as_str().unwrap().len(), 32);
    assert!(body.len() < 60_000, "{}", body.len());
}

#[test]
fn what_is_not_known_is_left_out() {
    let nothing = Sighting {
        error: "crash".into(),
        source: None,
        event_type: None,
        execution_id: None,
        correlation_id: None,
        release: None,
        ..sighting()
    };
    let event = lines(&made(&nothing)).remove(2);
    assert_eq!(event["tags"], json!({"job": "record_payment", "kind": "crash"}));
    assert_eq!((event.get("release"), event["level"].as_str()), (None, Some("fatal")));
    // To the protocol, an event without a level is an error.
    let failed = lines(&made(&Sighting { error: "handler".into(), ..sighting() })).remove(2);
    assert_eq!(failed.get("level"), None);
}

#[test]
fn a_dsn_is_a_place_and_a_key() {
    for (value, place) in [
        ("https://k@example.com/1", "https://example.com/api/1/envelope/"),
        (" https://k@example.com/1/\n", "https://example.com/api/1/envelope/"),
        ("https://k:old@example.com:9000/a/b/1", "https://example.com:9000/a/b/api/1/envelope/"),
        ("https://k@example.com/1?x=y#z", "https://example.com/api/1/envelope/"),
        ("https://k@[2001:db8::1]:9000/1", "https://[2001:db8::1]:9000/api/1/envelope/"),
    ] {
        let dsn = read(&dsn(value)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(dsn.envelope_api_url().as_str(), place);
    }
    for wrong in [
        "",
        "s3cret",
        "https://example.com/1",
        "https://s3cret@example.com",
        "https://s3cret@example.com/",
        "https://s3cret@/1",
        "ftp://s3cret@example.com/1",
        "mailto:s3cret@example.com",
    ] {
        let Err(Trouble::Unfit(error)) = read(&dsn(wrong)) else { panic!("{wrong}") };
        assert!(error.contains("SENTRY_DSN") && !error.contains("s3"), "{error}");
    }
}

/// An old DSN has two keys. Neither is to be seen in what the other side sends back.
#[test]
fn every_key_of_a_dsn_is_a_secret() {
    let report =
        Report { sighting: &sighting(), id: Uuid::from_u128(7), stage: "production", now: Timestamp::UNIX_EPOCH };
    let call = call(&report, &dsn("https://key1:key2@example.com/1")).unwrap_or_else(|error| panic!("{error}"));
    let secrets: Vec<_> = call.secrets.iter().map(|secret| secret.value.expose_secret()).collect();
    assert_eq!(secrets, ["key1", "key2", "https://key1:key2@example.com/1"]);
    assert!(!call.body.unwrap().contains("key1"));
}

#[test]
fn rate_limits_that_speak_of_errors_are_heeded() {
    for (value, seconds) in [
        ("60:error:key", Some(60)),
        ("60::organization", Some(60)),
        ("60:default;error;security:organization, 120:transaction:key", Some(60)),
        ("30:error:key,90::key", Some(90)),
        ("7200:error:key", Some(3_600)),
        ("60", Some(60)),
        ("60:transaction;span:key", None),
        ("0:error:key", None),
        ("soon:error:key", None),
        ("", None),
    ] {
        let answer = Answer { status: 200, rate_limits: Some(value.into()), ..Answer::default() };
        assert_eq!(pause(&answer), seconds.map(Duration::from_secs), "{value}");
    }
    assert_eq!(pause(&Answer::default()), None);
}
