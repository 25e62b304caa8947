use super::*;

const ABOUT: About<'static> = About { id: "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043", event_type: "orders/create" };

fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> Result<(), Refusal> {
    Shopify.verify(headers, body, &[SecretString::from(secret)], Timestamp::UNIX_EPOCH, Duration::ZERO)
}

fn with(signature: &str) -> HeaderMap {
    headers([(SIGNATURE, signature.to_owned())]).into_iter().collect()
}

/// Computed with `printf '{"id":1}' | openssl dgst -sha256 -hmac hush -binary | base64`.
#[test]
fn a_vector_computed_by_another_program() {
    let header = with("VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=");
    assert_eq!(verify(&header, br#"{"id":1}"#, "hush"), Ok(()));
    assert!(verify(&header, br#"{"id":2}"#, "hush").is_err());
    assert!(verify(&header, br#"{"id":1}"#, "hash").is_err());
}

#[test]
fn headers_that_are_not_signatures() {
    for header in ["", "AAAA", "not base64", &"A".repeat(44), &hex::encode([0; 32])] {
        let result = verify(&with(header), b"", "s");
        assert!(matches!(result, Err(Refusal::MalformedSignature(..))), "{header}: {result:?}");
    }
    assert!(matches!(verify(&HeaderMap::new(), b"", "s"), Err(Refusal::Missing(_))));
}

#[test]
fn id_topic_and_time_are_in_headers() {
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let body = Shopify.sample("orders/create", "1", now).to_string().into_bytes();
    let sent = Shopify.sign(body.clone(), &ABOUT, &SecretString::from("s"), now);
    let mut headers: HeaderMap = sent.headers.into_iter().collect();
    let envelope = Shopify.parse(&headers, &body).unwrap();
    assert_eq!((envelope.key.as_str(), envelope.event_type.as_str()), (ABOUT.id, "orders/create"));
    assert_eq!(envelope.occurred_at, Some(now));
    let replay = {
        let mut headers = headers.clone();
        headers.insert(WEBHOOK_ID, "another".parse().unwrap());
        headers.insert(TOPIC, "orders/paid".parse().unwrap());
        Shopify.parse(&headers, &body).unwrap()
    };
    assert_eq!(replay.fingerprint, envelope.fingerprint, "neither id nor topic is signed");

    headers.remove(WEBHOOK_ID);
    assert_eq!(Shopify.parse(&headers, &body).unwrap().key, format!("event-{}", ABOUT.id));
    headers.remove(EVENT_ID);
    assert!(Shopify.parse(&headers, &body).unwrap_err().0.contains(WEBHOOK_ID));
}
