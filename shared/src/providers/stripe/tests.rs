use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use proptest::prelude::*;
use secrecy::SecretString;

use super::*;

const TOLERANCE: Duration = Duration::from_mins(5);
const NAME: HeaderName = HeaderName::from_static("stripe-signature");
const NOW: i64 = 1_700_000_000;

fn secret(text: &str) -> SecretString {
    SecretString::from(format!("whsec_{text:0>32}"))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn signed(body: &[u8], key: &SecretString, time: i64) -> HeaderMap {
    let about = About { id: "", event_type: "" };
    Stripe.sign(body.to_vec(), &about, key, at(time)).headers.into_iter().collect()
}

fn with(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(NAME, HeaderValue::from_str(value).unwrap())])
}

fn verify(headers: &HeaderMap, body: &[u8], secrets: &[SecretString]) -> Result<(), Refusal> {
    Stripe.verify(headers, body, secrets, at(NOW), TOLERANCE)
}

/// Computed with `printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_000...0a`.
#[test]
fn a_vector_computed_by_another_program() {
    let body = br#"{"id":"evt_1"}"#;
    let header = "t=1700000000,v1=2105b65a2ac4811239dba097e19ec079a1f2b71feb24dfcd3b6cbc59eb0f04b3";
    assert_eq!(verify(&with(header), body, &[secret("a")]), Ok(()));
}

#[test]
fn bodies_of_any_kind() {
    for body in [&b""[..], b"{}", b"\xff\xfe not utf-8 \x00", &vec![b'x'; 1_000_000]] {
        let headers = signed(body, &secret("a"), NOW);
        assert_eq!(verify(&headers, body, &[secret("a")]), Ok(()));
        let mut tampered = body.to_vec();
        tampered.push(b' ');
        assert_eq!(verify(&headers, &tampered, &[secret("a")]), Err(Refusal::NoMatch(HEADER.into())));
    }
}

#[test]
fn any_active_secret_will_do_and_no_other() {
    let headers = signed(b"{}", &secret("new"), NOW);
    assert_eq!(verify(&headers, b"{}", &[secret("old"), secret("new")]), Ok(()));
    assert_eq!(verify(&headers, b"{}", &[secret("old")]), Err(Refusal::NoMatch(HEADER.into())));
    assert_eq!(verify(&headers, b"{}", &[]), Err(Refusal::NoMatch(HEADER.into())));
}

#[test]
fn time_counts_both_ways() {
    for (offset, fine) in
        [(-301, false), (-300, true), (0, true), (300, true), (301, false), (i64::from(u32::MAX), false)]
    {
        let headers = signed(b"{}", &secret("a"), NOW + offset);
        let result = verify(&headers, b"{}", &[secret("a")]);
        assert_eq!(result.is_ok(), fine, "{offset} s: {result:?}");
    }
    let old = signed(b"{}", &secret("a"), NOW - 301);
    assert!(matches!(verify(&old, b"{}", &[secret("a")]), Err(Refusal::OutsideTolerance(..))));
    assert_eq!(
        verify(&old, b"{}", &[secret("b")]),
        Err(Refusal::NoMatch(HEADER.into())),
        "a forger learns nothing of the time"
    );
}

#[test]
fn several_v1_and_v0_only() {
    let right = signed(b"{}", &secret("a"), NOW)[HEADER].to_str().unwrap().to_owned();
    let (timestamp, v1) = right.split_once(',').unwrap();
    let wrong = format!("v1={}", "0".repeat(64));
    assert_eq!(verify(&with(&format!("{timestamp},{wrong},{v1}")), b"{}", &[secret("a")]), Ok(()));
    assert_eq!(verify(&with(&format!("{v1},{timestamp}")), b"{}", &[secret("a")]), Ok(()), "in any order");
    let v0 = v1.replacen("v1", "v0", 1);
    assert!(matches!(
        verify(&with(&format!("{timestamp},{v0}")), b"{}", &[secret("a")]),
        Err(Refusal::MalformedSignature(..))
    ));
    let many = vec![wrong.as_str(); 17].join(",");
    assert!(matches!(
        verify(&with(&format!("{timestamp},{many},{v1}")), b"{}", &[secret("a")]),
        Err(Refusal::MalformedSignature(..))
    ));
}

#[test]
fn headers_that_are_not_signatures() {
    assert_eq!(
        verify(&HeaderMap::new(), b"{}", &[secret("a")]),
        Err(Refusal::Missing("the header Stripe-Signature".into()))
    );
    let v1 = format!("v1={}", "a".repeat(64));
    for header in
        ["", "t=", "v1=", &v1, &format!("t=x,{v1}"), &format!("t=1,t=2,{v1}"), "t=1,v1=zz", &"t=1,".repeat(25_000)]
    {
        let result = verify(&with(header), b"{}", &[secret("a")]);
        assert!(matches!(result, Err(Refusal::MalformedSignature(..))), "{} bytes: {result:?}", header.len());
    }
}

#[test]
fn a_sample_is_an_event_that_parses() {
    let body = serde_json::to_vec(&Stripe.sample("invoice.paid", "1", at(NOW))).unwrap();
    let envelope = Stripe.parse(&HeaderMap::new(), &body).unwrap();
    assert_eq!((envelope.key.as_str(), envelope.event_type.as_str()), ("evt_1", "invoice.paid"));
    assert_eq!(envelope.occurred_at, Some(at(NOW)));
}

#[test]
fn bookkeeping_does_not_change_the_fingerprint_but_data_does() {
    let mut event = Stripe.sample("invoice.paid", "1", at(NOW));
    let print = |event: &Value| Stripe.parse(&HeaderMap::new(), event.to_string().as_bytes()).unwrap().fingerprint;
    let first = print(&event);
    event["pending_webhooks"] = json!(7);
    assert_eq!(print(&event), first);
    event["data"]["object"]["amount_paid"] = json!(1);
    assert_ne!(print(&event), first);
}

proptest! {
    #[test]
    fn no_header_makes_it_panic(header in proptest::collection::vec(any::<u8>(), 0..200), body in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = HeaderValue::from_bytes(&header) {
            let headers = HeaderMap::from_iter([(NAME, value)]);
            prop_assert!(verify(&headers, &body, &[secret("a")]).is_err());
        }
    }

    #[test]
    fn nothing_near_a_header_makes_it_panic(header in "(t=-?[0-9]{0,25},?|v[01]=[0-9a-f]{0,70},?|=|,){0,8}") {
        let _ = Signature::parse(&header);
    }

    #[test]
    fn no_body_makes_the_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Stripe.parse(&HeaderMap::new(), &body);
    }
}
