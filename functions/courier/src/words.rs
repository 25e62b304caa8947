//! Text, cut to size.

use secrecy::{ExposeSecret as _, SecretString};

const BLOT: &str = "[REDACTED]";

/// The first characters that fit into so many bytes, the mark of the cut included.
pub(crate) fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub('…'.len_utf8()));
    format!("{}…", &text[..end])
}

/// The same, by characters.
pub(crate) fn cut_chars(text: &str, count: usize) -> String {
    match text.char_indices().nth(count) {
        None => text.to_owned(),
        Some(_) => text.chars().take(count.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// In one line, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without the secrets. The other side may send back what it was sent.
pub(crate) fn blot<'s>(text: &str, secrets: impl IntoIterator<Item = &'s SecretString>) -> String {
    secrets.into_iter().fold(text.to_owned(), |text, secret| match secret.expose_secret() {
        "" => text,
        value => text.replace(value, BLOT),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_between_characters_and_within_bounds() {
        assert_eq!(cut("short", 5), "short");
        for bytes in 3..12 {
            let text = cut("žluťoučký kůň", bytes);
            assert!(text.len() <= bytes && text.ends_with('…'), "{bytes}: {text}");
        }
        assert_eq!(cut_chars("žluť", 4), "žluť");
        assert_eq!(cut_chars("žluťoučký", 4), "žlu…");
    }

    #[test]
    fn one_line_has_no_control_characters() {
        assert_eq!(one_line("a\r\nb\t c\0\u{7f}"), "a b c");
    }

    #[test]
    fn secrets_are_blotted_out() {
        let secrets = [SecretString::from("s3cret"), SecretString::from("")];
        assert_eq!(blot("a s3cret, twice: s3cret", &secrets), "a [REDACTED], twice: [REDACTED]");
    }
}
