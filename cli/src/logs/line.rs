//! A log line: what the functions write, read back, and how it looks on a terminal.

use std::fmt;

use jiff::Timestamp;
use owo_colors::OwoColorize as _;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::ui::{plain, shorten};

/// From the least to the most important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// As the functions write it.
    pub fn written(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }

    fn read(text: &str) -> Option<Self> {
        match text {
            "TRACE" => Some(Self::Debug),
            _ => Self::ALL.into_iter().find(|level| level.written() == text),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.written())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    pub at: Timestamp,
    /// Without the stack's name.
    pub function: String,
    pub level: Level,
    pub message: String,
    /// Everything else that it has.
    pub fields: Map<String, Value>,
}

/// Of use to programs only.
const QUIET: [&str; 6] = ["name", "requestId", "xrayTraceId", "target", "service", "tenantId"];
/// In characters.
const LONGEST_MESSAGE: usize = 500;
const LONGEST_FIELD: usize = 300;

impl Line {
    /// A line of the functions' own form, or one with which Lambda says that an invocation failed. `None` for everything else:
    /// metrics, Lambda's other lines, what is not JSON. `function` is whose log it is from; without it, the line must say.
    pub fn read(text: &str, function: Option<&str>) -> Option<Self> {
        let mut fields: Map<String, Value> = serde_json::from_str(text).ok()?;
        if fields.contains_key("_aws") {
            return None;
        }
        if fields.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("platform.")) {
            return Self::of_platform(&fields, function?);
        }
        let mut take = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (at, level) = (take("timestamp")?.parse().ok()?, Level::read(&take("level")?)?);
        let (message, own) = (take("message"), take("function"));
        let function = function.map(str::to_owned).or(own)?;
        Some(Self { at, function, level, message: message.unwrap_or_default(), fields })
    }

    /// `{"time", "type": "platform.report", "record": {"requestId", "status": "timeout", ...}}`
    fn of_platform(fields: &Map<String, Value>, function: &str) -> Option<Self> {
        let record = fields.get("record")?.as_object()?;
        let status = record.get("status").and_then(Value::as_str).filter(|status| *status != "success")?;
        // Its report says the same once more.
        let kind = fields.get("type")?.as_str()?;
        if kind != "platform.report" {
            return None;
        }
        let kind = record.get("errorType").and_then(Value::as_str).unwrap_or_default();
        let message = match status {
            "timeout" => "Lambda ended the invocation: it took too long".to_owned(),
            _ => format!("Lambda says that the invocation failed: {status} {kind}").trim_end().to_owned(),
        };
        Some(Self {
            at: fields.get("time")?.as_str()?.parse().ok()?,
            function: function.to_owned(),
            level: Level::Error,
            message,
            fields: record.get("requestId").map(|id| ("requestId".to_owned(), id.clone())).into_iter().collect(),
        })
    }

    pub fn correlation_id(&self) -> Option<&str> {
        self.fields.get("correlation_id").and_then(Value::as_str)
    }

    /// One line for a person. `known` are fields that are left out while they have the value that the reader knows already.
    pub fn words(&self, known: &[(&str, &str)]) -> String {
        let time = self.at.strftime("%H:%M:%S%.3f").to_string();
        let level = format!("{:<5}", self.level.written());
        let level = match self.level {
            Level::Error => level.red().bold().to_string(),
            Level::Warn => level.yellow().to_string(),
            Level::Info => level.green().to_string(),
            Level::Debug => level.dimmed().to_string(),
        };
        let is_known = |name: &str, value: &Value| known.iter().any(|(it, text)| *it == name && value == text);
        let shown =
            self.fields.iter().filter(|(name, value)| !QUIET.contains(&name.as_str()) && !is_known(name, value));
        let fields = shown.map(|(name, value)| format!(" {}={}", shorten(name, 60).dimmed(), field(value)));
        let fields = fields.collect::<Vec<_>>().concat();
        format!(
            "{} {level} {:<10} {}{fields}",
            time.dimmed(),
            shorten(&self.function, 20).cyan(),
            shorten(&self.message, LONGEST_MESSAGE)
        )
    }
}

/// Quoted when it has spaces.
fn field(value: &Value) -> String {
    let text = match value {
        Value::String(text) => plain(text).replace('\n', " "),
        other => plain(&other.to_string()),
    };
    let text = shorten(&text, LONGEST_FIELD);
    if text.is_empty() || text.contains(char::is_whitespace) { format!("{text:?}") } else { text }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-11-22T15:04:05.123456Z","level":"WARN","service":"solo-os","function":"worker","message":"no luck",
        "target":"shared::runner","correlation_id":"c-1","error":"two words","attempt":2}"#;

    #[test]
    fn lines_are_read_and_shown() {
        let line = Line::read(LINE, None).unwrap();
        assert_eq!((line.function.as_str(), line.level, line.message.as_str()), ("worker", Level::Warn, "no luck"));
        assert_eq!(line.correlation_id(), Some("c-1"));
        let words = |known| strip_str(&line.words(&[("correlation_id", known)])).to_string();
        assert_eq!(words("c-1"), r#"15:04:05.123 WARN  worker     no luck attempt=2 error="two words""#);
        assert!(words("c-2").contains(" correlation_id=c-1 "), "another than the one that is known is shown");
        assert_eq!(Line::read(LINE, Some("webhooks")).unwrap().function, "webhooks", "the log group knows better");
    }

    #[test]
    fn what_is_no_log_line_is_none() {
        for text in [
            "",
            "thread 'main' panicked",
            "[]",
            "{}",
            r#"{"timestamp":"2026-11-22T15:04:05Z","level":"INFO","message":"nobody's"}"#,
            r#"{"timestamp":"yesterday","level":"INFO","message":"x","function":"f"}"#,
            r#"{"timestamp":"2026-11-22T15:04:05Z","level":"LOUD","message":"x","function":"f"}"#,
            r#"{"_aws":{},"timestamp":"2026-11-22T15:04:05Z","level":"INFO","message":"x","function":"f"}"#,
            r#"{"time":"2026-11-22T15:04:05Z","type":"platform.start","record":{"requestId":"r"}}"#,
        ] {
            assert_eq!(Line::read(text, None), None, "{text}");
        }
        let report = |status: &str| {
            format!(
                r#"{{"time":"2026-11-22T15:04:05Z","type":"platform.report","record":{{"requestId":"r","status":"{status}"}}}}"#
            )
        };
        let line = Line::read(&report("timeout"), Some("drill")).unwrap();
        assert!(line.level == Level::Error && line.message.contains("too long") && line.fields["requestId"] == "r");
        assert_eq!(Line::read(&report("success"), Some("drill")), None);
    }

    /// Texts come from strangers, too.
    #[test]
    fn nothing_steers_the_terminal_or_breaks_the_line() {
        let hostile = "a\u{1b}[2Jb\nc\u{9b}d\r\u{7}";
        let mut line = Line::read(LINE, None).unwrap();
        line.fields.insert(hostile.into(), Value::from(hostile));
        line.fields.insert("nested".into(), serde_json::json!({"x": [hostile]}));
        line.fields.insert("long".into(), Value::from("x".repeat(10_000)));
        (line.message, line.function) = (hostile.repeat(1_000), hostile.into());
        let words = strip_str(&line.words(&[])).to_string();
        assert!(!words.chars().any(char::is_control), "{words:?}");
        assert!(words.len() < 4_000, "{}", words.len());
    }

    #[test]
    fn levels_have_an_order() {
        assert!(Level::Error > Level::Warn && Level::Warn > Level::Info && Level::Info > Level::Debug);
    }
}
