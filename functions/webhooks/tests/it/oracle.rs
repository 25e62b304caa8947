//! The providers' own libraries as the judges of our signatures, and we of theirs.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use shared::{
    clock,
    providers::{self, About, Delivery, Provider},
};
use testkit::variable;

const ABOUT: About<'static> = About { id: "msg_1", event_type: "a.b" };

/// What the oracle calls a provider, the provider, and two secrets of it.
struct Judged {
    name: &'static str,
    provider: &'static dyn Provider,
    secret: SecretString,
    other: SecretString,
}

fn all() -> Vec<Judged> {
    let of = |provider: &&'static dyn Provider| {
        let name = providers::ALL.iter().map(|known| known.name()).find(|name| *name == provider.name()).unwrap();
        let (secret, other) = (provider.new_secret(&[1; 24]), provider.new_secret(&[2; 24]));
        Judged { name, provider: *provider, secret, other }
    };
    let mut all: Vec<_> = providers::ALL.iter().map(of).collect();
    let seed = |byte: u8| SecretString::from(format!("whsk_{}", STANDARD.encode([byte; 32])));
    let standard = providers::find("standard").unwrap();
    all.push(Judged { name: "ed25519", provider: standard, secret: seed(1), other: seed(2) });
    all
}

/// What a receiver is given: the public key where there is one.
fn known_to_receiver(secret: &SecretString) -> SecretString {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    let Some(seed) = secret.expose_secret().strip_prefix("whsk_") else { return secret.clone() };
    let pair = Ed25519KeyPair::from_seed_unchecked(&STANDARD.decode(seed).unwrap()).unwrap();
    SecretString::from(format!("whpk_{}", STANDARD.encode(pair.public_key())))
}

/// Puts each case to the libraries; their verdicts, in order.
fn ask(cases: &[Value]) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/oracle.py");
    let mut oracle = Command::new(variable("SOLO_TEST_PYTHON"))
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    oracle.stdin.take().unwrap().write_all(json!(cases).to_string().as_bytes()).unwrap();
    let output = oracle.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn bodies() -> Vec<String> {
    let sample = providers::find("stripe").unwrap().sample("invoice.paid", "1", clock::now()).to_string();
    vec![String::new(), "{}".into(), sample, "not json".into(), "ünïcödé ✓\n\t\0".into(), "x".repeat(100_000)]
}

#[test]
fn they_accept_what_we_sign_and_nothing_else() {
    let mut cases = Vec::new();
    for judged in all() {
        for body in bodies() {
            let Delivery { headers, body: sent } =
                judged.provider.sign(body.clone().into_bytes(), &ABOUT, &judged.secret, clock::now());
            assert_eq!(sent, body.as_bytes());
            let headers = headers.iter().map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())));
            let headers = headers.collect::<Map<_, _>>();
            let case = |payload: &str, secret: &SecretString| {
                let secret = secret.expose_secret();
                json!({"verify": {"provider": judged.name, "payload": payload, "headers": headers, "secret": secret}})
            };
            cases.push(case(&body, &judged.secret));
            cases.push(case(&format!("{body} "), &judged.secret));
            cases.push(case(&body, &judged.other));
        }
    }
    let verdicts = ask(&cases);
    assert_eq!(verdicts.len(), all().len() * bodies().len() * 3);
    for (index, verdict) in verdicts.iter().enumerate() {
        assert_eq!(verdict, &json!(index % 3 == 0), "{}", cases[index]);
    }
}

#[test]
fn we_accept_what_they_sign_and_nothing_else() {
    let now = clock::now();
    let pairs: Vec<_> =
        all().into_iter().flat_map(|judged| bodies().into_iter().map(move |body| (judged.name, body))).collect();
    let find = |name: &str| all().into_iter().find(|judged| judged.name == name).unwrap();
    let case = |(name, body): &(&str, String)| {
        let secret = find(name).secret;
        json!({"sign": {"provider": name, "payload": body, "timestamp": now.as_second(), "id": ABOUT.id,
                        "secret": secret.expose_secret()}})
    };
    let answers = ask(&pairs.iter().map(case).collect::<Vec<_>>());
    for ((name, body), headers) in pairs.iter().zip(answers) {
        let judged = find(name);
        let pair = |(name, value): (&String, &Value)| (name.parse().unwrap(), value.as_str().unwrap().parse().unwrap());
        let headers = headers.as_object().unwrap().iter().map(pair).collect();
        let verify = |body: &[u8], secret: &SecretString| {
            judged.provider.verify(&headers, body, &[known_to_receiver(secret)], now, Duration::from_mins(5))
        };
        assert_eq!(verify(body.as_bytes(), &judged.secret), Ok(()), "{name}");
        assert!(verify(body.as_bytes(), &judged.other).is_err(), "{name}");
        assert!(verify(format!("{body}.").as_bytes(), &judged.secret).is_err(), "{name}");
    }
}
