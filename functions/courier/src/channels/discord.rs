//! Discord's webhooks: `content` of 2,000 characters at most, which mentions nobody whatever it says, and shows no
//! previews (<https://docs.discord.com/developers/resources/webhook#execute-webhook>).

use serde_json::json;

use super::{
    Told,
    text::{Size, Style, characters, whole},
};
use crate::{call::Call, vault::Used, verdict::Trouble};

const SIZE: Size = Size { title: 200, text: 400, line: 300, all: 2_000, measure: characters };
const STYLE: Style = Style { escape, bold: ("**", "**"), signs: true };
const SUPPRESS_EMBEDS: u32 = 1 << 2;

pub(super) fn call(told: Told<'_>, url: &Used) -> Result<Call, Trouble> {
    let content = whole(told.notification, &SIZE, &STYLE);
    let body = json!({"content": content, "allowed_mentions": {"parse": []}, "flags": SUPPRESS_EMBEDS});
    Call::post(url, "application/json", body.to_string())
}

/// Markdown as plain text.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\*_~`|<>#[]".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{super::samples, *};

    const URL: &str = "https://discord.com/api/webhooks/1/abcdefghijklmnopqrstuvwxyz";

    #[test]
    fn golden() {
        let call = call(samples::told(&samples::digest()), &samples::secret("DISCORD_URL", URL)).unwrap();
        assert_eq!(call.url.as_str(), URL);
        let content = "**2 alerts: 1 warning, 1 resolved**\n\
            🟠 warning payload\\_changed:stripe: \\<!channel\\> @everyone \\*bold\\* & \"ž\" x \
            (3 times since 2026-11-22 05:00 UTC)\n\
            ✅ resolved outbox\\_dead:api.example.com: the API is down (2026-11-22 05:04 UTC)";
        let body = json!({"content": content, "allowed_mentions": {"parse": []}, "flags": 4});
        assert_eq!(samples::json(&call), body);
    }

    #[test]
    fn a_flood_fits() {
        let call = call(samples::told(&samples::flood()), &samples::secret("DISCORD_URL", URL)).unwrap();
        let content = samples::json(&call)["content"].as_str().unwrap().to_owned();
        assert!(content.chars().count() <= 2_000 && content.ends_with(" more"), "{content}");
    }
}
