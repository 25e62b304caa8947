//! Slack's incoming webhooks: `text` in its markup, where `&`, `<` and `>` are escaped, so that no text of an alert can
//! mention a person or a channel (<https://docs.slack.dev/messaging/formatting-message-text>). Longer than 40,000
//! characters it would be cut (<https://docs.slack.dev/reference/methods/chat.postMessage>).

use serde_json::json;

use super::{
    Told,
    text::{Size, Style, characters, whole},
};
use crate::{call::Call, vault::Used, verdict::Trouble};

const SIZE: Size = Size { title: 300, text: 3_000, line: 600, all: 40_000, measure: characters };
const STYLE: Style = Style { escape, bold: ("*", "*"), signs: true };

pub(super) fn call(told: Told<'_>, url: &Used) -> Result<Call, Trouble> {
    let text = whole(told.notification, &SIZE, &STYLE);
    let body = json!({"text": text, "unfurl_links": false, "unfurl_media": false});
    Call::post(url, "application/json", body.to_string())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{super::samples, *};

    const URL: &str = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX";

    #[test]
    fn golden() {
        let call = call(samples::told(&samples::digest()), &samples::secret("SLACK_URL", URL)).unwrap();
        assert_eq!(call.url.as_str(), URL);
        let text = "*2 alerts: 1 warning, 1 resolved*\n\
            🟠 warning payload_changed:stripe: &lt;!channel&gt; @everyone *bold* &amp; \"ž\" x \
            (3 times since 2026-11-22 05:00 UTC)\n\
            ✅ resolved outbox_dead:api.example.com: the API is down (2026-11-22 05:04 UTC)";
        assert_eq!(samples::json(&call), json!({"text": text, "unfurl_links": false, "unfurl_media": false}));
    }

    #[test]
    fn a_flood_fits() {
        let call = call(samples::told(&samples::flood()), &samples::secret("SLACK_URL", URL)).unwrap();
        let text = samples::json(&call)["text"].as_str().unwrap().to_owned();
        assert!(text.chars().count() <= 40_000 && text.ends_with(" more"), "{}", text.len());
    }
}
