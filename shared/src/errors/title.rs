//! What an error is called: its first line, without what differs from time to time.

/// How much of a text is looked at, and how long a title gets, in characters.
const READ: usize = 1_000;
const LONGEST: usize = 200;

const TEXT: &str = "<text>";
const NUMBER: &str = "<n>";
const ID: &str = "<id>";
const EMAIL: &str = "<email>";
const URL: &str = "<url>";

/// The first line that has words, at most 200 characters of it: numbers, ids (any word with a digit in it, long hexadecimal ones without),
/// quoted texts, addresses and URLs each become the name of what they are, and a list of them one. Never empty.
///
/// Two errors are the same when kind, culprit and title are, so a change in here makes new ones of all that are open.
pub fn title(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| line.chars().any(char::is_alphanumeric)).unwrap_or_default();
    // Lines before it have no words, so this is where it stands.
    let behind = text.find(line).map_or("", |start| &text[start + line.len()..]);
    let whole = behind.trim().is_empty() && line.chars().nth(READ).is_none();
    let line: String = line.chars().take(READ).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let unquoted = without_quotes(&line, whole);
    let words: Vec<String> = unquoted.split_whitespace().map(word).collect();
    let mut title = words.join(" ");
    for name in [TEXT, NUMBER, ID, EMAIL, URL] {
        title = one_of(title, name);
    }
    match title.char_indices().nth(LONGEST) {
        None if title.is_empty() => "no words".into(),
        None => title,
        Some((end, _)) => title[..end].to_owned(),
    }
}

/// `"a b" is not 'c'` becomes `<text> is not <text>`. A quotation mark within a word is an apostrophe, and one that is never closed
/// is only itself, unless the text goes on behind the line, where its end may be.
fn without_quotes(line: &str, whole: bool) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let opens = !out.ends_with(char::is_alphanumeric) || (first == '"' && ends_with_prefix(&out));
        let closing = match first {
            '"' | '`' | '\'' if opens => Some(first),
            '“' => Some('”'),
            '«' => Some('»'),
            _ => None,
        };
        match closing.and_then(|closing| end_of_quote(after, closing)) {
            Some(end) => {
                out.push_str(TEXT);
                rest = &after[end..];
            }
            None if closing.is_some_and(|closing| closing != '\'' && !whole) => {
                out.push_str(TEXT);
                return out;
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

/// Of a byte string, a C string, a raw one: `b"..."`.
fn ends_with_prefix(text: &str) -> bool {
    let word = text.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    matches!(word, "b" | "c" | "r" | "br" | "cr")
}

/// Behind the closing mark. An escaped one (`\"`) closes nothing, nor does an apostrophe.
fn end_of_quote(text: &str, closing: char) -> Option<usize> {
    let mut escaped = false;
    for (place, character) in text.char_indices() {
        let end = place + character.len_utf8();
        let within_word = character == '\'' && text[end..].starts_with(char::is_alphanumeric);
        if character == closing && !escaped && !within_word {
            return Some(end);
        }
        escaped = character == '\\' && !escaped;
    }
    None
}

/// What stands between white space.
fn word(word: &str) -> String {
    let core = word.trim_matches(|c: char| c.is_ascii_punctuation() && !matches!(c, '<' | '>'));
    if core.contains("://") {
        return word.replacen(core, URL, 1);
    }
    if core.contains('@') && core.contains('.') {
        return word.replacen(core, EMAIL, 1);
    }
    let mut out = String::with_capacity(word.len());
    let mut atom = String::new();
    for character in word.chars() {
        if character.is_alphanumeric() || matches!(character, '_' | '-' | '.') {
            atom.push(character);
        } else {
            out.push_str(&named(&atom));
            atom.clear();
            out.push(character);
        }
    }
    out.push_str(&named(&atom));
    out
}

/// A number, an id, or itself. What ends a sentence is not part of it.
fn named(atom: &str) -> String {
    let core = atom.trim_end_matches(['.', '-', '_']);
    let (core, end) = atom.split_at(core.len());
    let name = if core.chars().any(char::is_numeric) {
        if core.chars().any(char::is_alphabetic) || core.contains('_') { ID } else { NUMBER }
    } else if core.len() >= 8 && core.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        ID
    } else {
        core
    };
    format!("{name}{end}")
}

/// `<n>, <n>, <n>` says how many there were, which differs as well.
fn one_of(title: String, name: &str) -> String {
    let mut title = title;
    for separator in [", ", ",", " ", "; "] {
        let pair = format!("{name}{separator}{name}");
        while title.contains(&pair) {
            title = title.replace(&pair, name);
        }
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_time_to_time_is_not_in_a_title() {
        for (text, expected) in [
            ("the other side is busy", "the other side is busy"),
            ("timed out after 3.5 s", "timed out after <n> s"),
            ("timed out after 12 s.", "timed out after <n> s."),
            ("no customer cus_9s6XKzkNRiz8i3", "no customer <id>"),
            ("no row 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11!", "no row <id>!"),
            ("commit deadbeefcafe is gone", "commit <id> is gone"),
            ("at 0x7ffe12, then 0X1F", "at <id>, then <id>"),
            (r#"key "receipt:7" is "taken \" twice""#, "key <text> is <text>"),
            ("it isn't 'ready yet', and the founders' 'x' is", "it isn't <text>, and the founders' <text> is"),
            ("the column `a b` of “c d” and «e»", "the column <text> of <text> and <text>"),
            ("GET https://api.example.com/v1/x?y=1: no", "GET <url>: no"),
            ("mail to ada@example.com. failed", "mail to <email>. failed"),
            ("ids [1, 2, 3] and (4,5)", "ids [<n>] and (<n>)"),
            ("key=17 place=/lines/3/amount", "key=<n> place=/lines/<n>/amount"),
            ("2026-11-22T10:00:00Z: 10.0.0.1:5432 refused", "<id>:<n>:<id>: <n>:<n> refused"),
            ("  \n \t--\n  the real\tone \n more", "the real one"),
            ("nicht gefunden: Žluťoučký kůň ٣", "nicht gefunden: Žluťoučký kůň <n>"),
            ("an \"open quote", "an \"open quote"),
            (r#"got b"Ada!", b"Bob!" in"#, "got b<text>, b<text> in"),
            ("an \"open quote\nthat ends\" here", "an <text>"),
            ("two lines, 'tis\nsaid", "two lines, 'tis"),
            ("", "no words"),
            ("\0\u{1b}\n--", "no words"),
        ] {
            assert_eq!(title(text), expected, "{text:?}");
        }
    }

    /// A panic that prints what it holds is told by its title alone.
    #[test]
    fn a_quotation_that_is_cut_is_none_of_the_title() {
        for text in [format!("unexpected body: \"{}\"", "Ada Lovelace ".repeat(200)), "got “Ada\nLovelace”".into()]
        {
            assert!(!title(&text).contains("Ada"), "{}", title(&text));
        }
    }

    #[test]
    fn different_errors_stay_different() {
        let texts = [
            "the other side is busy",
            "the other side is away",
            "duplicate key value violates unique constraint \"x\" (SQLSTATE 23505)",
            "insert or update violates foreign key constraint \"x\" (SQLSTATE 23503)",
            "the answer was 503 Service Unavailable",
            "the answer was 404 Not Found",
        ];
        let titles: std::collections::BTreeSet<_> = texts.iter().map(|text| title(text)).collect();
        assert_eq!(titles.len(), texts.len());
    }

    #[test]
    fn whatever_comes_a_title_is_one_short_line() {
        let hostile = ["x".repeat(1_000_000), "1, ".repeat(100_000), "\"".repeat(5_000), "ž ' ".repeat(9_000)];
        for text in hostile.iter().map(String::as_str).chain(["a\0b\u{7f}\u{85}c", "<n>, <n>", "\\\"\\"]) {
            let title = title(text);
            assert!((1..=LONGEST).contains(&title.chars().count()), "{title}");
            assert!(!title.chars().any(char::is_control), "{title:?}");
        }
    }
}
