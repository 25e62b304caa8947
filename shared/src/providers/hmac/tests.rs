use proptest::prelude::*;

use super::*;
use crate::config::SoloToml;

const NOW: i64 = 1_700_000_000;
const ABOUT: About<'static> = About { id: "id_1", event_type: "thing.made" };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn provider(settings: &str) -> Hmac {
    try_provider(settings).unwrap()
}

fn try_provider(settings: &str) -> Result<Hmac, String> {
    let text = format!("[providers.acme]\nscheme = 'hmac'\n{settings}");
    let file = SoloToml::parse(&text).map_err(|fault| fault.to_string())?;
    let (provider, _) = file.provider("acme").unwrap();
    assert_eq!(provider.name(), "acme");
    Ok(file.providers["acme"].hmac().unwrap().clone())
}

fn secret() -> SecretString {
    SecretString::from("acme_".repeat(8))
}

fn verify(provider: &Hmac, sent: &Delivery, secret: &SecretString) -> Result<(), Refusal> {
    let headers = sent.headers.iter().cloned().collect();
    provider.verify(&headers, &sent.body, std::slice::from_ref(secret), at(NOW), Duration::from_mins(5))
}

fn send(provider: &Hmac, time: i64) -> Delivery {
    let body = provider.sample(ABOUT.event_type, "u1", at(NOW)).to_string().into_bytes();
    provider.sign(body, &ABOUT, &secret(), at(time))
}

/// How providers sign that have no code here, after their documentation.
const KNOWN: &[(&str, &str)] = &[
    (
        "Mailgun",
        "signature = '/signature/signature'\nsigned = '{timestamp}{/signature/token}'\ntimestamp = '/signature/timestamp'
         id = '/event-data/id'\ntype = '/event-data/event'\nbody_unsigned = true",
    ),
    (
        "Paddle",
        "signature = 'Paddle-Signature[h1]'\nsigned = '{timestamp}:{body}'\ntimestamp = 'Paddle-Signature[ts]'
         id = '/event_id'\ntype = '/event_type'",
    ),
    (
        "Twitch",
        "signature = 'Twitch-Eventsub-Message-Signature'\nprefix = 'sha256='\nsigned = '{id}{timestamp}{body}'
         timestamp = 'Twitch-Eventsub-Message-Timestamp'\nid = 'Twitch-Eventsub-Message-Id'
         type = '/subscription/type'",
    ),
    ("Vercel", "signature = 'X-Vercel-Signature'\nhash = 'sha1'\nid = '/id'\ntype = '/type'"),
    (
        "GitHub, again",
        "signature = 'X-Hub-Signature-256'\nprefix = 'sha256='\nid = 'X-GitHub-Delivery'\ntype = 'X-GitHub-Event'",
    ),
    ("no id, base64url, SHA-512", "signature = 'X-S'\nencoding = 'base64url'\nhash = 'sha512'\ntype = 'X-T'"),
];

#[test]
fn what_is_simulated_is_believed_and_what_is_changed_is_not() {
    for (name, settings) in KNOWN {
        let provider = provider(settings);
        let sent = send(&provider, NOW);
        assert_eq!(verify(&provider, &sent, &secret()), Ok(()), "{name}: {sent:?}");
        let other = SecretString::from("another_".repeat(5));
        assert!(matches!(verify(&provider, &sent, &other), Err(Refusal::NoMatch(_))), "{name}");
        let headers = sent.headers.iter().cloned().collect();
        let envelope = provider.parse(&headers, &sent.body).unwrap();
        assert_eq!(envelope.event_type, ABOUT.event_type, "{name}");
        assert_eq!(envelope.signs_id, provider.signs_id(), "{name}");
        if !name.starts_with("Mailgun") {
            let tampered = Delivery { body: [&sent.body[..], b" "].concat(), ..sent.clone() };
            assert!(matches!(verify(&provider, &tampered, &secret()), Err(Refusal::NoMatch(_))), "{name}");
        }
        for index in 0..sent.headers.len() {
            let mut without = sent.clone();
            without.headers.remove(index);
            let headers = without.headers.iter().cloned().collect();
            let whole = verify(&provider, &without, &secret()).is_ok() && provider.parse(&headers, &sent.body).is_ok();
            assert!(!whole, "{name} without {}", sent.headers[index].0);
        }
        for offset in [-301, 301] {
            let result = verify(&provider, &send(&provider, NOW + offset), &secret());
            let late = matches!(result, Err(Refusal::OutsideTolerance(..)));
            assert_eq!(late, provider.signs_time(), "{name} {offset}: {result:?}");
        }
    }
}

/// From Mailgun's documentation, with a signature computed by `openssl dgst -sha256 -hmac`.
#[test]
fn a_signature_in_the_body_computed_by_another_program() {
    let mailgun = provider(KNOWN[0].1);
    let body =
        br#"{"signature": {"timestamp": "1700000000", "token": "e0b5477167110d68991efc6b9f89f0a11066af27834600e123",
        "signature": "8eca04bed63975049c9a26a326d5625dad24439c7dc94e19844a6c482592f784"},
        "event-data": {"id": "a1", "event": "delivered"}}"#;
    let sent = Delivery { headers: Vec::new(), body: body.to_vec() };
    let key = SecretString::from("key-0123456789abcdef0123456789abcdef");
    assert_eq!(verify(&mailgun, &sent, &key), Ok(()));
    let other_token = String::from_utf8_lossy(body).replace("e0b5", "e0b6").into_bytes();
    assert!(verify(&mailgun, &Delivery { body: other_token, ..sent.clone() }, &key).is_err());
    for body in ["", "[]", "{}", r#"{"signature": {"signature": []}}"#] {
        let sent = Delivery { body: body.into(), ..sent.clone() };
        assert!(matches!(verify(&mailgun, &sent, &key), Err(Refusal::Missing(_))), "{body}");
    }
    // The id is not signed, and the body can be replaced: what a replay keeps is the token.
    assert!(!mailgun.signs_id());
    let print = |body: &str| mailgun.parse(&HeaderMap::new(), body.as_bytes()).unwrap().fingerprint;
    let body = String::from_utf8_lossy(body);
    assert_eq!(print(&body), print(&body.replace("\"a1\"", "\"a2\"").replace("delivered", "failed")));
    assert_ne!(print(&body), print(&body.replace("e0b5", "e0b6")));
}

#[test]
fn whose_id_is_signed() {
    let signs: Vec<_> = KNOWN.iter().map(|(_, settings)| provider(settings).signs_id()).collect();
    assert_eq!(signs, [false, true, true, true, false, true]);
}

#[test]
fn an_id_cannot_be_moved_into_the_body() {
    let provider = provider("signature = 'X-S'\nsigned = '{id}.{body}'\nid = 'X-Id'\ntype = '/type'");
    let sent = provider.sign(br#"{"type": "a"}"#.to_vec(), &About { id: "a.b", event_type: "" }, &secret(), at(NOW));
    assert!(matches!(verify(&provider, &sent, &secret()), Err(Refusal::MalformedSignature(..))));
}

#[test]
fn times_in_all_forms() {
    let provider = provider("signature = 'X-S'\nsigned = '{timestamp}.{body}'\ntimestamp = 'X-T'\ntype = 'X-Y'");
    for (text, fine) in [
        ("1700000000", true),
        ("1700000000123", true),
        ("2023-11-14T22:13:20.5Z", true),
        ("01700000000", false),
        ("1700000301", false),
        ("1700000000.5", false),
        ("-1700000000", false),
        ("", false),
        ("99999999999999999999", false),
    ] {
        let tag =
            hex::encode(mac(Hash::Sha256.algorithm(), secret().expose_secret().as_bytes(), &[text.as_bytes(), b".{}"]));
        let headers = [("x-s", tag.as_str()), ("x-t", text)].map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()));
        let sent = Delivery { headers: headers.to_vec(), body: b"{}".to_vec() };
        assert_eq!(verify(&provider, &sent, &secret()).is_ok(), fine, "{text}");
    }
}

#[test]
fn settings_that_verify_nothing_are_refused() {
    for (settings, named) in [
        ("", "signature"),
        ("signature = 'X-S'", "type"),
        ("signature = 'not a header'\ntype = 'X-T'", "not a header"),
        ("signature = 'X-S[]'\ntype = 'X-T'", "element"),
        ("signature = 'X-S'\ntype = 'X-T'\nsigned = 'constant'", "body"),
        ("signature = 'X-S'\ntype = 'X-T'\nsigned = ''", "body"),
        ("signature = 'X-S'\ntype = 'X-T'\nsigned = '{X-Id}'\nbody_unsigned = true", "for ever"),
        ("signature = 'X-S'\ntype = 'X-T'\nsigned = '{timestamp}'\ntimestamp = 'X-A'\nbody_unsigned = true", "`id`"),
        ("signature = 'X-S'\ntype = 'X-T'\nbody_unsigned = true", "body_unsigned"),
        ("signature = 'X-S'\ntype = 'X-T'\nsigned = '{timestamp}.{body}'", "timestamp"),
        ("signature = 'X-S'\ntype = 'X-T'\nsigned = '{id}.{body}'", "{id}"),
        ("signature = 'X-S'\ntype = 'X-T'\ntimestamp = 'X-A'", "anybody"),
        ("signature = '/sig'\ntype = 'X-T'", "inside"),
        ("signature = 'X-S'\ntype = 'X-T'\nsigned = '{X-S}{body}'", "itself"),
        ("signature = 'X-S'\ntype = 'X-T'\nsigned = '{body'", "braces"),
        ("signature = 'X-S'\ntype = 'X-T'\nsigned = '}{body}'", "braces"),
        ("signature = 'X-S'\ntype = 'X-T'\nhash = 'md5'", "md5"),
        ("signature = 'X-S'\ntype = 'X-T'\nencoding = 'rot13'", "rot13"),
        ("signature = 'X-S'\ntype = 'X-T'\ntolerance_seconds = 60", "tolerance_seconds"),
    ] {
        let fault = try_provider(settings).expect_err(settings);
        assert!(fault.contains(named), "{named} in {fault}");
    }
}

#[test]
fn keys_in_an_encoding_must_decode_to_something() {
    let provider = provider("signature = 'X-S'\ntype = 'X-T'\nkey = 'hex'");
    assert_eq!(provider.check_secret(&provider.new_secret(&[7; 24])), Ok(()));
    for bad in ["", "abc", "zz", &"0".repeat(30)] {
        assert!(provider.check_secret(&SecretString::from(bad)).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_settings_and_no_bytes_make_it_panic(
        signature in "(/[a-z~/]{0,6}|X-[a-z]{0,5}(\\[[a-z]{0,2}\\])?)", signed in "[{}a-z/.-]{0,12}(\\{body\\})?",
        header in "[ -~]{0,40}", body in "\\{\"a\":(1|\"x\"|\\{\"b\":[0-9]{1,30}\\})\\}|.{0,20}",
    ) {
        let settings = Settings {
            signature: Some(signature), signed: Some(signed), event_type: Some("X-T".into()), ..Settings::default()
        };
        if let Ok(provider) = Hmac::new("acme", &settings) {
            let headers = HeaderMap::from_iter([("x-a".parse().unwrap(), header.parse().unwrap())]);
            let result = provider.verify(&headers, body.as_bytes(), &[secret()], at(NOW), Duration::from_mins(5));
            prop_assert!(result.is_err());
            let _ = provider.parse(&headers, body.as_bytes());
            let _ = provider.sign(body.into_bytes(), &ABOUT, &secret(), at(NOW));
        }
    }
}
