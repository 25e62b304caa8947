//! Stripe's own library as the judge of our signatures, and we of its.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use http_body_util::BodyExt as _;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::{clock, config::SoloToml, providers};
use testkit::variable;

const SECRET: &str = "whsec_an_oracle_knows_it_as_well_as_we_do";

/// Puts each case to `PyPI`'s `stripe`; its verdicts, in order.
fn ask(cases: &[Value]) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stripe_oracle.py");
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

#[tokio::test]
async fn stripe_accepts_what_we_sign() {
    let secret = SecretString::from(SECRET);
    let mut cases = Vec::new();
    for body in bodies() {
        let request = crate::support::stripe_signed(body.as_bytes(), &secret, clock::now());
        let header = request.headers()["stripe-signature"].to_str().unwrap().to_owned();
        let sent = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(sent, body.as_bytes());
        cases.push(json!({"verify": {"payload": body, "header": header, "secret": SECRET}}));
        cases.push(json!({"verify": {"payload": format!("{body} "), "header": header, "secret": SECRET}}));
        cases.push(json!({"verify": {"payload": body, "header": header, "secret": "whsec_another"}}));
    }
    for (index, verdict) in ask(&cases).iter().enumerate() {
        assert_eq!(verdict, &json!(index % 3 == 0), "{}", cases[index]);
    }
}

#[test]
fn we_accept_what_stripe_signs() {
    let tolerance = SoloToml::parse("[providers.stripe]").unwrap().providers["stripe"].tolerance;
    let now = clock::now();
    let cases: Vec<_> = bodies()
        .iter()
        .map(|body| json!({"sign": {"payload": body, "timestamp": now.as_second(), "secret": SECRET}}))
        .collect();
    for (body, header) in bodies().iter().zip(ask(&cases)) {
        let headers =
            [("stripe-signature".parse().unwrap(), header.as_str().unwrap().parse().unwrap())].into_iter().collect();
        let verify = |body: &[u8], secret: &str| {
            providers::find("stripe").unwrap().verify(&headers, body, &[SecretString::from(secret)], now, tolerance)
        };
        assert_eq!(verify(body.as_bytes(), SECRET), Ok(()));
        assert!(verify(body.as_bytes(), "whsec_another").is_err());
        assert!(verify(format!("{body}.").as_bytes(), SECRET).is_err());
    }
}
