use secrecy::SecretString;

use super::*;

const ABOUT: About<'static> = About { id: "72d3162e-cc78-11e3-81ab-4c9367dc0958", event_type: "push" };

fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> Result<(), Refusal> {
    GitHub.verify(headers, body, &[SecretString::from(secret)], Timestamp::UNIX_EPOCH, Duration::ZERO)
}

fn with(signature: &str) -> HeaderMap {
    headers([(SIGNATURE, signature.to_owned())]).into_iter().collect()
}

/// From GitHub's page on validating deliveries.
#[test]
fn the_vector_of_the_documentation() {
    let header = with("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    assert_eq!(verify(&header, b"Hello, World!", "It's a Secret to Everybody"), Ok(()));
    assert!(verify(&header, b"Hello, World?", "It's a Secret to Everybody").is_err());
    assert!(verify(&header, b"Hello, World!", "It's a Secret to Nobody").is_err());
}

#[test]
fn headers_that_are_not_signatures() {
    for header in ["", "sha256=", "757107ea", "sha1=757107ea", &format!("sha256={}", "0".repeat(63)), "sha256=zz"] {
        let result = verify(&with(header), b"", "s");
        assert!(matches!(result, Err(Refusal::MalformedSignature(..))), "{header}: {result:?}");
    }
    assert!(matches!(verify(&HeaderMap::new(), b"", "s"), Err(Refusal::Missing(_))));
}

#[test]
fn id_and_type_are_in_headers_and_the_body_is_the_data() {
    let sample = GitHub.sample("push", "1", Timestamp::UNIX_EPOCH);
    let body = sample.to_string().into_bytes();
    let sent = GitHub.sign(body.clone(), &ABOUT, &SecretString::from("s"), Timestamp::UNIX_EPOCH);
    let headers: HeaderMap = sent.headers.into_iter().collect();
    let envelope = GitHub.parse(&headers, &body).unwrap();
    assert_eq!((envelope.key.as_str(), envelope.event_type.as_str()), (ABOUT.id, "push"));
    assert_eq!(envelope.data, sample);
    for name in [ID, TYPE] {
        let mut without = headers.clone();
        without.remove(name);
        assert!(GitHub.parse(&without, &body).unwrap_err().0.contains(name));
    }
    assert!(GitHub.parse(&headers, b"payload=%7B%7D").unwrap_err().0.contains("application/json"));
}

/// Neither id nor type is signed: a replay may carry any.
#[test]
fn a_replay_under_another_id_and_type_has_the_same_fingerprint() {
    let body = GitHub.sample("push", "1", Timestamp::UNIX_EPOCH).to_string();
    let envelope = |id: &str, event_type: &str, body: &str| {
        let headers = headers([(ID, id.to_owned()), (TYPE, event_type.to_owned())]).into_iter().collect();
        GitHub.parse(&headers, body.as_bytes()).unwrap()
    };
    let first = envelope("1", "push", &body);
    assert!(!first.signs_id);
    assert_eq!(envelope("2", "issues", &body).fingerprint, first.fingerprint);
    assert_ne!(envelope("1", "push", &body.replace("Mend", "Break")).fingerprint, first.fingerprint);
}
