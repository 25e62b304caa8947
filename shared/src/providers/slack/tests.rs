use super::*;

const ABOUT: About<'static> = About { id: "", event_type: "" };
const NOW: i64 = 1_531_420_618;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> Result<(), Refusal> {
    Slack.verify(headers, body, &[SecretString::from(secret)], at(NOW), Duration::from_mins(5))
}

fn with(signature: &str, timestamp: &str) -> HeaderMap {
    headers([(SIGNATURE, signature.to_owned()), (TIMESTAMP, timestamp.to_owned())]).into_iter().collect()
}

/// From Slack's page on verifying requests. (It signs a slash command; the rule is the same.)
#[test]
fn the_vector_of_the_documentation() {
    let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let headers = with("v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503", "1531420618");
    let secret = "8f742231b10e8888abcd99yyyzzz85a5";
    assert_eq!(verify(&headers, body, secret), Ok(()));
    assert_eq!(verify(&headers, &body[1..], secret), Err(Refusal::NoMatch(SIGNATURE.into())));
    assert_eq!(verify(&headers, body, "another"), Err(Refusal::NoMatch(SIGNATURE.into())));
}

#[test]
fn headers_that_are_not_signatures() {
    let tag = format!("v0={}", "0".repeat(64));
    for (signature, timestamp) in
        [("", "1"), ("v0=", "1"), ("v1=00", "1"), (tag.as_str(), ""), (&tag, "-1"), (&tag, "+1"), (&tag, "1.5")]
    {
        let result = verify(&with(signature, timestamp), b"", "s");
        assert!(matches!(result, Err(Refusal::MalformedSignature(..))), "{signature} {timestamp}: {result:?}");
    }
    for name in [SIGNATURE, TIMESTAMP] {
        let mut headers = with(&tag, "1");
        headers.remove(name);
        assert!(matches!(verify(&headers, b"", "s"), Err(Refusal::Missing(_))), "{name}");
    }
}

#[test]
fn the_inner_event_is_the_event() {
    let body = Slack.sample("message", "1", at(NOW));
    let envelope = Slack.parse(&HeaderMap::new(), body.to_string().as_bytes()).unwrap();
    assert_eq!((envelope.key.as_str(), envelope.event_type.as_str()), ("Ev1", "message"));
    assert_eq!(envelope.data, body["event"]);
    assert_eq!(envelope.occurred_at, Some(at(NOW)));

    let mut without = body.clone();
    without.as_object_mut().unwrap().remove("event_id");
    assert!(Slack.parse(&HeaderMap::new(), without.to_string().as_bytes()).is_err());

    let limited = json!({"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1_518_467_820});
    let limited = Slack.parse(&HeaderMap::new(), limited.to_string().as_bytes()).unwrap();
    assert_eq!(limited.event_type, "app_rate_limited");
    assert!(limited.key.starts_with("sha256:"), "{}", limited.key);
    assert_eq!(limited.data["team_id"], "T1");
}

#[test]
fn only_url_verification_is_a_challenge() {
    let asked = Slack.sample("url_verification", "3eZbrw1a", at(NOW)).to_string();
    assert_eq!(Slack.challenge(asked.as_bytes()), Some(json!({"challenge": "3eZbrw1a"})));
    let mut event = Slack.sample("message", "1", at(NOW));
    event["challenge"] = json!("x");
    assert_eq!(Slack.challenge(event.to_string().as_bytes()), None);
    for body in ["", "[]", r#"{"type": "url_verification"}"#, r#"{"type": "url_verification", "challenge": 1}"#] {
        assert_eq!(Slack.challenge(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn what_we_sign_has_the_form_that_we_accept() {
    let sent = Slack.sign(b"{}".to_vec(), &ABOUT, &SecretString::from("s"), at(NOW));
    let headers = sent.headers.into_iter().collect();
    assert_eq!(verify(&headers, &sent.body, "s"), Ok(()));
}
