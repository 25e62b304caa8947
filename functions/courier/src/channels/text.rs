//! A notification in words: a title, a text, a line for each alert, and what did not fit.

use jiff::Timestamp;
use shared::{
    alerts::Severity,
    outbox::{Item, Notification},
};

use crate::words::{cut_chars, one_line};

/// How much of each part is taken, in characters, before anything is escaped.
pub(super) struct Size {
    pub title: usize,
    pub text: usize,
    pub line: usize,
    /// For the whole, as `measure` counts it, after escaping.
    pub all: usize,
    pub measure: fn(&str) -> usize,
}

/// How a channel wants its text.
pub(super) struct Style {
    pub escape: fn(&str) -> String,
    pub bold: (&'static str, &'static str),
    /// A sign before each alert.
    pub signs: bool,
}

pub(super) fn characters(text: &str) -> usize {
    text.chars().count()
}

/// The title and everything below it.
pub(super) fn whole(notification: &Notification, size: &Size, style: &Style) -> String {
    let (before, after) = style.bold;
    let title = (style.escape)(&cut_chars(&one_line(&notification.title), size.title));
    below(format!("{before}{title}{after}"), notification, size, style)
}

/// Everything below the title, after `head`.
pub(super) fn below(mut head: String, notification: &Notification, size: &Size, style: &Style) -> String {
    let text = notification.text.trim();
    if !text.is_empty() {
        next_line(&mut head);
        head.push_str(&(style.escape)(&cut_chars(text, size.text)));
    }
    let lines = notification.items.iter().map(|item| {
        let sign = if style.signs { sign(item) } else { "" };
        format!("{sign}{}", (style.escape)(&cut_chars(&line(item), size.line)))
    });
    fit(head, lines, size)
}

/// As many lines as fit, and how many did not.
fn fit(mut all: String, lines: impl ExactSizeIterator<Item = String>, size: &Size) -> String {
    let count = lines.len();
    let mut used = (size.measure)(&all);
    for (index, line) in lines.enumerate() {
        let left = count - index;
        let more = format!("and {left} more");
        let last = left == 1;
        let reserve = if last { 0 } else { more.len() + 1 };
        let takes = (size.measure)(&line) + 1;
        if used + takes + reserve > size.all {
            next_line(&mut all);
            all.push_str(&more);
            return all;
        }
        next_line(&mut all);
        all.push_str(&line);
        used += takes;
    }
    all
}

fn next_line(text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
}

/// `warning payload_changed:stripe: the message (3 times since 2026-11-22 05:00 UTC)`
fn line(item: &Item) -> String {
    let what = if item.resolved { "resolved" } else { item.severity.as_str() };
    let message = one_line(&item.message);
    let times = match item.occurrences {
        0 | 1 => format!("({})", minute(item.last)),
        count => format!("({count} times since {})", minute(item.first)),
    };
    format!("{what} {}: {message} {times}", one_line(&item.key))
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn sign(item: &Item) -> &'static str {
    match item.severity {
        _ if item.resolved => "✅ ",
        Severity::Critical => "🔴 ",
        Severity::Warning => "🟠 ",
        Severity::Info => "🔵 ",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::samples, *};

    fn size(all: usize) -> Size {
        Size { title: 20, text: 30, line: 60, all, measure: str::len }
    }

    const PLAIN: Style = Style { escape: str::to_owned, bold: ("", ""), signs: false };

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut notification = samples::digest();
        notification.title = "title".into();
        notification.items = (0..20).map(|n| samples::item(Severity::Info, &format!("k{n:02}"), "m")).collect();
        // Each line has 34 bytes, and its end.
        assert_eq!(line(&notification.items[0]).len(), 34);
        let text = whole(&notification, &size(5 + 35 * 3 + 12), &PLAIN);
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.ends_with("\nand 17 more"), "{text}");
        for all in 20..800 {
            let text = whole(&notification, &size(all), &PLAIN);
            assert!(text.len() <= all, "{all}: {text}");
            let (shown, rest) = (text.matches(": m ").count(), text.rsplit_once("\nand "));
            let rest = rest.map_or(0, |(_, rest)| rest.trim_end_matches(" more").parse().unwrap());
            assert_eq!(shown + rest, 20, "{all}: {text}");
        }
    }

    #[test]
    fn every_part_is_cut() {
        let text = whole(&samples::flood(), &size(10_000), &PLAIN);
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    }
}
