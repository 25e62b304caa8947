//! E-mail, through the stage's SNS topic. A subject has 100 printable ASCII characters at most, the whole message 256 KB
//! (<https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>).

use super::{
    Mail, Told,
    text::{Size, Style, whole},
};
use crate::words::{cut_chars, one_line};

const SUBJECT: usize = 100;
const SIZE: Size = Size { title: 1_000, text: 10_000, line: 1_000, all: 200_000, measure: str::len };
const STYLE: Style = Style { escape: str::to_owned, bold: ("", "\n"), signs: false };

pub(super) fn mail(told: Told<'_>) -> Mail {
    Mail { subject: subject(&told.notification.title), text: whole(told.notification, &SIZE, &STYLE) }
}

fn subject(title: &str) -> String {
    let cut = cut_chars(&format!("[solo-os] {}", one_line(title)), SUBJECT - 2);
    cut.replace('…', "...")
        .chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .take(SUBJECT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::samples, *};

    #[test]
    fn golden() {
        let mail = mail(samples::told(&samples::digest()));
        assert_eq!(mail.subject, "[solo-os] 2 alerts: 1 warning, 1 resolved");
        assert_eq!(
            mail.text,
            "2 alerts: 1 warning, 1 resolved\n\n\
             warning payload_changed:stripe: <!channel> @everyone *bold* & \"ž\" x \
             (3 times since 2026-11-22 05:00 UTC)\n\
             resolved outbox_dead:api.example.com: the API is down (2026-11-22 05:04 UTC)"
        );
    }

    #[test]
    fn a_subject_is_short_plain_ascii() {
        assert_eq!(subject("žluť\r\nBcc: x\0"), "[solo-os] ?lu? Bcc: x");
        for title in ["x".repeat(200), "ž…".repeat(200), "…".repeat(89)] {
            let subject = subject(&title);
            assert!(subject.len() <= 100 && subject.bytes().all(|byte| (32..127).contains(&byte)), "{subject}");
        }
    }

    #[test]
    fn a_flood_fits() {
        assert!(mail(samples::told(&samples::flood())).text.len() <= 200_000);
    }
}
