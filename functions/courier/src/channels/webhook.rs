//! A webhook in our own form, for whatever one writes oneself:
//!
//! ```json
//! {"version": 1, "id": "...", "timestamp": "2026-11-22T05:05:00Z", "channel": "ops", "severity": "critical",
//!  "title": "...", "text": "...",
//!  "items": [{"key": "...", "severity": "warning", "message": "...", "occurrences": 3, "resolved": false,
//!             "first": "2026-11-22T05:00:00Z", "last": "2026-11-22T05:04:00Z"}],
//!  "omitted": 0}
//! ```
//!
//! `id` stays the same when a message is sent again; `omitted` counts the alerts that did not fit. When the app's secret
//! has `<NAME OF THE URL'S SECRET>_SIGNING_SECRET`, the request is signed as Standard Webhooks says
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>), for which there are
//! libraries: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64>`, HMAC-SHA256 over `id.timestamp.body`.

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::Told;
use crate::{
    call::Call,
    vault::Used,
    verdict::Trouble,
    words::{cut_chars, one_line},
};

/// Each at its longest (4 bytes a character) makes 1 MB: less than what receivers usually take.
const MOST_ITEMS: usize = 200;
const TITLE: usize = 1_000;
const MESSAGE: usize = 1_000;
const TEXT: usize = 10_000;

/// The name of the secret that requests are signed with.
pub(super) fn signing_secret_of(url: &str) -> String {
    format!("{url}_SIGNING_SECRET")
}

pub(super) fn call(told: Told<'_>, url: &Used, signing: Option<Used>) -> Result<Call, Trouble> {
    let body = body(told).to_string();
    let mut call = Call::post(url, "application/json", body)?;
    if let Some(signing) = signing {
        sign(&mut call, told, signing)?;
    }
    Ok(call)
}

fn body(told: Told<'_>) -> Value {
    let notification = told.notification;
    let items: Vec<Value> = notification
        .items
        .iter()
        .take(MOST_ITEMS)
        .map(|item| {
            json!({
                "key": item.key,
                "severity": item.severity,
                "message": cut_chars(&one_line(&item.message), MESSAGE),
                "occurrences": item.occurrences,
                "resolved": item.resolved,
                "first": item.first,
                "last": item.last,
            })
        })
        .collect();
    json!({
        "version": 1,
        "id": told.id,
        "timestamp": told.now,
        "channel": notification.channel,
        "severity": notification.severity,
        "title": cut_chars(&one_line(&notification.title), TITLE),
        "text": cut_chars(&notification.text, TEXT),
        "omitted": notification.items.len() - items.len(),
        "items": items,
    })
}

fn sign(call: &mut Call, told: Told<'_>, signing: Used) -> Result<(), Trouble> {
    let problem = || {
        let text = format!("the secret {} is not \"whsec_\" and 24 to 64 bytes in base64", signing.name);
        Trouble::Unfit(text)
    };
    let encoded = signing.value.expose_secret().trim().strip_prefix("whsec_").ok_or_else(problem)?;
    let key = BASE64_STANDARD.decode(encoded).ok().filter(|key| (24..=64).contains(&key.len())).ok_or_else(problem)?;
    let timestamp = told.now.as_second();
    let body = call.body.as_deref().unwrap_or_default();
    let signed = format!("{}.{timestamp}.{body}", told.id);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
    let signature = format!("v1,{}", BASE64_STANDARD.encode(tag));
    for (name, value) in [
        ("webhook-id", told.id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature),
    ] {
        let value = HeaderValue::try_from(value).map_err(|error| Trouble::Unfit(error.to_string()))?;
        call.headers.insert(HeaderName::from_static(name), value);
    }
    call.secrets.push(signing);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::samples, *};

    const URL: &str = "https://example.com/hooks/0123456789abcdef0123456789abcdef";

    fn made(signing: Option<&str>) -> Result<Call, Trouble> {
        let signing = signing.map(|value| samples::secret(&signing_secret_of("OPS_URL"), value));
        call(samples::told(&samples::digest()), &samples::secret("OPS_URL", URL), signing)
    }

    #[test]
    fn golden() {
        let call = made(None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(call.url.as_str(), URL);
        assert!(!call.headers.contains_key("webhook-signature"));
        assert_eq!(
            samples::json(&call),
            json!({
                "version": 1, "id": samples::ID, "timestamp": "2026-11-22T05:05:00Z",
                "channel": "ops", "severity": "critical", "title": "2 alerts: 1 warning, 1 resolved", "text": "",
                "items": [
                    {
                        "key": "payload_changed:stripe", "severity": "warning", "occurrences": 3, "resolved": false,
                        "message": "<!channel> @everyone *bold* & \"ž\" x",
                        "first": "2026-11-22T05:00:00Z", "last": "2026-11-22T05:04:00Z",
                    },
                    {
                        "key": "outbox_dead:api.example.com", "severity": "critical", "occurrences": 1,
                        "resolved": true, "message": "the API is down",
                        "first": "2026-11-22T05:00:00Z", "last": "2026-11-22T05:04:00Z",
                    },
                ],
                "omitted": 0,
            })
        );
    }

    /// The spec's own example key and message.
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let mut call = Call::post_to(URL.parse().unwrap(), "application/json", r#"{"test": 2432232314}"#.into());
        let notification = samples::digest();
        let told = Told {
            notification: &notification,
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            now: jiff::Timestamp::from_second(1_614_265_330).unwrap(),
        };
        sign(&mut call, told, samples::secret("X", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        assert_eq!(call.headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(call.headers["webhook-id"], told.id);
        assert_eq!(call.headers["webhook-timestamp"], "1614265330");
    }

    #[test]
    fn an_unfit_signing_secret_is_named_and_not_shown() {
        for wrong in ["c2hvcnQ=", "whsec_c2hvcnQ=", "whsec_%%%%"] {
            let Err(Trouble::Unfit(error)) = made(Some(wrong)) else { panic!("{wrong}") };
            assert!(error.contains("OPS_URL_SIGNING_SECRET") && !error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_flood_fits() {
        let flood = samples::flood();
        let call = call(samples::told(&flood), &samples::secret("OPS_URL", URL), None);
        let body = call.unwrap_or_else(|error| panic!("{error}")).body.unwrap();
        assert!(body.len() < 1_000_000, "{}", body.len());
    }
}
