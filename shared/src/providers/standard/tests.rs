use proptest::prelude::*;

use super::*;

const ABOUT: About<'static> = About { id: "msg_1", event_type: "contact.created" };
const NOW: i64 = 1_700_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn secret(byte: u8) -> SecretString {
    STANDARD.new_secret(&[byte; 24])
}

/// Private and public key.
fn pair(byte: u8) -> (SecretString, SecretString) {
    use aws_lc_rs::signature::KeyPair as _;
    let seed = [byte; 32];
    let public = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap().public_key().as_ref().to_vec();
    let text = |prefix: &str, bytes: &[u8]| SecretString::from(format!("{prefix}{}", BASE64.encode(bytes)));
    (text("whsk_", &seed), text("whpk_", &public))
}

fn signed(body: &[u8], secret: &SecretString, time: i64) -> HeaderMap {
    STANDARD.sign(body.to_vec(), &ABOUT, secret, at(time)).headers.into_iter().collect()
}

fn verify(headers: &HeaderMap, body: &[u8], secrets: &[SecretString]) -> Result<(), Refusal> {
    STANDARD.verify(headers, body, secrets, at(NOW), Duration::from_mins(5))
}

/// From Svix's page on verifying by hand; its libraries' tests use it too.
#[test]
fn the_vector_of_the_documentation() {
    let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let body = br#"{"test": 2432232314}"#;
    let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    for [id, timestamp, name] in [PLAIN, SVIX] {
        let all = [(id, "msg_p5jXN8AQM9LWM0D4loKWxJek"), (timestamp, "1614265330"), (name, signature)];
        let headers: HeaderMap = headers(all.map(|(name, value)| (name, value.to_owned()))).into_iter().collect();
        let verify = |body: &[u8], now: i64| {
            STANDARD.verify(&headers, body, std::slice::from_ref(&secret), at(now), Duration::from_mins(5))
        };
        assert_eq!(verify(body, 1_614_265_330), Ok(()));
        assert!(matches!(verify(body, 1_614_265_631), Err(Refusal::OutsideTolerance(..))));
        assert!(matches!(verify(body, 1_614_265_029), Err(Refusal::OutsideTolerance(..))));
        assert_eq!(verify(b"{}", 1_614_265_330), Err(Refusal::NoMatch(name.into())));
    }
}

#[test]
fn ed25519_beside_hmac_and_neither_for_the_other() {
    let ((private, public), (_, other)) = (pair(1), pair(2));
    let headers = signed(b"{}", &private, NOW);
    assert!(headers[PLAIN[2]].to_str().unwrap().starts_with("v1a,"));
    assert_eq!(verify(&headers, b"{}", &[secret(7), public.clone()]), Ok(()));
    assert!(verify(&headers, b"{} ", std::slice::from_ref(&public)).is_err());
    assert!(verify(&headers, b"{}", &[other, secret(7)]).is_err());
    assert!(verify(&signed(b"{}", &secret(7), NOW), b"{}", &[public]).is_err());
}

/// Who knows the public key, which is no secret, must not be able to sign with it as if it were one.
#[test]
fn the_public_key_is_no_hmac_key() {
    let (_, public) = pair(1);
    let bytes = public.expose_secret().strip_prefix("whpk_").unwrap();
    let headers = signed(b"{}", &SecretString::from(format!("whsec_{bytes}")), NOW);
    assert!(headers[PLAIN[2]].to_str().unwrap().starts_with("v1,"));
    assert!(verify(&headers, b"{}", &[public]).is_err());
}

#[test]
fn several_signatures_as_during_a_rotation() {
    let mut headers = signed(b"{}", &secret(1), NOW);
    let right = headers[PLAIN[2]].to_str().unwrap().to_owned();
    let wrong = format!("v1,{}", BASE64.encode([0; 32]));
    for (value, fine) in [
        (format!("{wrong} {right}"), true),
        (format!("v2,abc {right} v1a,x"), true),
        (wrong.clone(), false),
        (right.replace("v1,", "v2,"), false),
        (format!("{}{right}", format!("{wrong} ").repeat(16)), false),
        (right.replace("v1,", "v1a,"), false),
    ] {
        headers.insert(PLAIN[2], value.parse().unwrap());
        assert_eq!(verify(&headers, b"{}", &[secret(2), secret(1)]).is_ok(), fine, "{value}");
    }
}

#[test]
fn the_forms_of_secrets() {
    let of = |prefix: &str, bytes: usize| SecretString::from(format!("{prefix}{}", BASE64.encode(vec![7; bytes])));
    let (private, public) = pair(1);
    for good in [of("whsec_", 24), of("whsec_", 32), of("whsec_", 64), public] {
        assert_eq!(STANDARD.check_secret(&good), Ok(()));
    }
    let mistyped = SecretString::from("whsec_whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let odd = [SecretString::from("whsec_"), "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(), "whsec_not base64".into()];
    for bad in
        [of("whsec_", 23), of("whsec_", 65), of("whpk_", 31), of("whsec", 32), private, mistyped].iter().chain(&odd)
    {
        assert!(STANDARD.check_secret(bad).is_err(), "{}", bad.expose_secret());
        let headers = signed(b"{}", bad, NOW);
        assert!(verify(&headers, b"{}", std::slice::from_ref(bad)).is_err(), "and it believes nobody");
    }
}

#[test]
fn ids_with_dots_and_headers_of_both_kinds() {
    let headers = signed(b"{}", &secret(1), NOW);
    for (name, value) in [(PLAIN[0], "msg.1"), (PLAIN[0], ""), (PLAIN[1], "1.5"), (PLAIN[1], "-1")] {
        let mut headers = headers.clone();
        headers.insert(name, value.parse().unwrap());
        assert!(
            matches!(verify(&headers, b"{}", &[secret(1)]), Err(Refusal::MalformedSignature(..))),
            "{name} {value}"
        );
    }
    let mut mixed = headers.clone();
    mixed.insert(SVIX[0], "msg_2".parse().unwrap());
    assert_eq!(verify(&mixed, b"{}", &[secret(1)]), Ok(()));
    assert_eq!(STANDARD.parse(&mixed, br#"{"type": "a.b"}"#).unwrap().key, "msg_1", "the id that was signed");
    for name in PLAIN {
        let mut headers = headers.clone();
        headers.remove(name);
        assert!(matches!(verify(&headers, b"{}", &[secret(1)]), Err(Refusal::Missing(_))), "{name}");
    }
}

#[test]
fn data_or_the_whole_body() {
    let headers = signed(b"", &secret(1), NOW);
    let parse = |body: &Value| STANDARD.parse(&headers, body.to_string().as_bytes());
    let full = STANDARD.sample("contact.created", "1", at(NOW));
    let envelope = parse(&full).unwrap();
    assert_eq!(envelope.data, full["data"]);
    assert_eq!((envelope.event_type.as_str(), envelope.occurred_at), ("contact.created", Some(at(NOW))));
    let flat = json!({"type": "a.b", "id": 1});
    assert_eq!(parse(&flat).unwrap().data, flat);
    assert!(parse(&json!({"data": {}})).is_err());
}

/// The name is all that retries know of an event's sender.
#[test]
fn one_of_another_name_gives_the_whole_body() {
    let clerk = Standard::named("clerk");
    let body = clerk.sample("user.created", "1", at(NOW));
    let headers = clerk.sign(Vec::new(), &ABOUT, &secret(1), at(NOW)).headers.into_iter().collect();
    let envelope = clerk.parse(&headers, body.to_string().as_bytes()).unwrap();
    assert_eq!((envelope.source.as_str(), &envelope.data), ("clerk", &body));
    assert_eq!(crate::providers::data_of("clerk", &body), &body);
}

proptest! {
    #[test]
    fn no_header_makes_it_panic(value in "(v1a?,[A-Za-z0-9+/=]{0,90} ?|v2,x| |,){0,8}", id in "[ -~]{0,20}", time in "[-+0-9.]{0,20}") {
        let mut headers = HeaderMap::new();
        for (name, value) in PLAIN.iter().zip([&id, &time, &value]) {
            if let Ok(value) = value.parse() {
                headers.insert(*name, value);
            }
        }
        let (_, public) = pair(1);
        let refused = verify(&headers, b"{}", &[secret(1), public]).is_err();
        prop_assert!(refused);
    }
}
