//! ntfy: the text as the body, everything else in headers (<https://docs.ntfy.sh/publish/>). A text of more than 4,096
//! bytes would become an attachment; a header that is not ASCII is encoded (RFC 2047).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use shared::{alerts::Severity, outbox::Notification};
use url::Url;

use super::{
    Told,
    text::{Size, Style, below},
};
use crate::{
    call::Call,
    vault::Used,
    verdict::Trouble,
    words::{cut, one_line},
};

/// The lines by characters of up to four bytes: the text alone always fits.
const SIZE: Size = Size { title: 0, text: 600, line: 300, all: 4_096, measure: str::len };
const STYLE: Style = Style { escape: str::to_owned, bold: ("", ""), signs: true };
const TITLE: usize = 200;

pub(super) fn call(told: Told<'_>, url: &Url, token: Option<Used>) -> Result<Call, Trouble> {
    let notification = told.notification;
    let title = header_text(&cut(&one_line(&notification.title), TITLE));
    let mut text = below(String::new(), notification, &SIZE, &STYLE);
    if text.is_empty() {
        // ntfy would write "triggered".
        text = cut(&one_line(&notification.title), SIZE.all);
    }
    let mut call = Call::post_to(url.clone(), "text/plain; charset=utf-8", text);
    let (priority, tag) = urgency(notification);
    for (name, value) in [("title", title.as_str()), ("priority", priority), ("tags", tag)] {
        let value = HeaderValue::try_from(value).map_err(|error| Trouble::Unfit(error.to_string()))?;
        call.headers.insert(HeaderName::from_static(name), value);
    }
    if let Some(token) = token {
        call.secret_header(AUTHORIZATION, "Bearer ", token)?;
    }
    Ok(call)
}

fn urgency(notification: &Notification) -> (&'static str, &'static str) {
    let items = &notification.items;
    match notification.severity {
        _ if !items.is_empty() && items.iter().all(|item| item.resolved) => ("3", "white_check_mark"),
        Severity::Critical => ("5", "rotating_light"),
        Severity::Warning => ("4", "warning"),
        Severity::Info => ("3", "information_source"),
    }
}

fn header_text(text: &str) -> String {
    // What looks encoded already would be decoded.
    if text.is_ascii() && !text.contains("=?") {
        return text.to_owned();
    }
    format!("=?UTF-8?B?{}?=", BASE64_STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use super::{super::samples, *};

    fn made(notification: &Notification) -> Call {
        let url = "https://ntfy.sh/topic".parse().unwrap();
        let token = samples::secret("NTFY_TOKEN", "tk_0123456789");
        call(samples::told(notification), &url, Some(token)).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn golden() {
        let call = made(&samples::digest());
        assert_eq!(call.url.as_str(), "https://ntfy.sh/topic");
        for (name, value) in [
            ("title", "2 alerts: 1 warning, 1 resolved"),
            ("priority", "5"),
            ("tags", "rotating_light"),
            ("authorization", "Bearer tk_0123456789"),
            ("content-type", "text/plain; charset=utf-8"),
        ] {
            assert_eq!(call.headers[name], value, "{name}");
        }
        assert_eq!(
            call.body.unwrap(),
            "🟠 warning payload_changed:stripe: <!channel> @everyone *bold* & \"ž\" x \
             (3 times since 2026-11-22 05:00 UTC)\n\
             ✅ resolved outbox_dead:api.example.com: the API is down (2026-11-22 05:04 UTC)"
        );
    }

    #[test]
    fn a_title_is_safe_in_a_header() {
        let titled = |title: &str| Notification { title: title.into(), ..samples::digest() };
        assert_eq!(made(&titled("žluť")).headers["title"], "=?UTF-8?B?xb5sdcWl?=");
        assert_eq!(made(&titled("a\r\nActions: x")).headers["title"], "a Actions: x");
        assert!(made(&titled("=?UTF-8?B?eA==?=")).headers["title"].to_str().unwrap().ends_with("PQ==?="));
    }

    #[test]
    fn what_is_over_is_not_urgent() {
        let mut notification = samples::digest();
        notification.items.iter_mut().for_each(|item| item.resolved = true);
        assert_eq!(made(&notification).headers["priority"], "3");
        assert_eq!(made(&notification).headers["tags"], "white_check_mark");
    }

    #[test]
    fn a_text_is_never_empty_and_a_flood_fits() {
        assert_eq!(made(&Notification { items: vec![], ..samples::digest() }).body.unwrap(), samples::digest().title);
        let flood = made(&samples::flood());
        let body = flood.body.unwrap();
        assert!(body.len() <= 4_096 && body.ends_with(" more"), "{}", body.len());
        assert!(flood.headers["title"].len() <= 300);
    }
}
