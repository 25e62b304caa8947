//! How jobs and their runs look on a terminal.

use jiff::Timestamp;
use ops::{JobRun, JobState};
use owo_colors::{AnsiColors, OwoColorize as _};
use serde_json::Value;

use crate::{
    ui,
    when::{distance, moment, moment_or_none},
};

/// One job a line.
pub fn states(jobs: &[JobState], now: Timestamp) -> String {
    let rows = jobs.iter().map(|job| {
        vec![
            job.name.clone(),
            words(job),
            job.last_success_at.map_or_else(|| "-".into(), |at| distance(at, now)),
            job.last_run.as_ref().map_or_else(|| "-".into(), |run| took(run, now)),
            job.due_at.map_or_else(|| "-".into(), |at| distance(at, now)),
        ]
    });
    let table = ui::table(&["job", "state", "last success", "took", "next due"], rows.collect());
    let colours = jobs.iter().map(|job| if job.late { AnsiColors::Red } else { colour(&job.state) });
    paint(&table, "STATE", colours)
}

/// One run a line.
pub fn runs(runs: &[JobRun], now: Timestamp) -> String {
    let rows = runs.iter().map(|run| {
        vec![
            moment(run.started_at),
            run.id.to_string(),
            run.job.clone(),
            outcome(run).to_owned(),
            took(run, now),
            run.actor.clone().unwrap_or_else(|| "schedule".into()),
            ui::shorten(run.error.as_deref().unwrap_or_default(), 60),
        ]
    });
    let table = ui::table(&["started", "id", "job", "outcome", "took", "by", "error"], rows.collect());
    paint(&table, "OUTCOME", runs.iter().map(|run| colour(outcome(run))))
}

/// Everything about a run.
pub fn run(run: &JobRun, now: Timestamp) -> String {
    let mut fields = vec![
        ("id", run.id.to_string()),
        ("job", run.job.clone()),
        ("outcome", outcome(run).to_owned()),
        ("started", moment(run.started_at)),
        ("finished", moment_or_none(run.finished_at)),
        ("took", took(run, now)),
        ("by", run.actor.clone().unwrap_or_else(|| "schedule".into())),
    ];
    fields.extend(run.error.as_ref().map(|error| ("error", error.clone())));
    let mut shown = vec![ui::fields(&fields)];
    let named = [("progress", &run.progress), ("result", &run.result)];
    for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        shown.push(name.to_owned());
        shown.extend(lines(value, 1));
    }
    shown.join("\n")
}

/// A value, one line for each part of it: texts of a list one a line, what is within others indented. Nothing in it steers the
/// terminal, and what has lines of its own stays within its place.
fn lines(value: &Value, depth: usize) -> Vec<String> {
    let indent = "  ".repeat(depth);
    let simple = |value: &Value| match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    };
    let plain = |text: &str| ui::indented(text, indent.len() + 2);
    match value {
        Value::Null => Vec::new(),
        Value::Object(members) => {
            let width = 19_usize.saturating_sub(indent.len());
            let (short, long): (Vec<_>, Vec<_>) = members.iter().partition(|(_, value)| simple(value));
            let (words, rest): (Vec<_>, Vec<_>) = short.into_iter().partition(|(_, value)| value.is_string());
            let short = words.into_iter().chain(rest);
            let mut all: Vec<_> =
                short.map(|(key, value)| format!("{indent}{:<width$} {}", plain(key), plain(&text(value)))).collect();
            for (key, value) in long {
                all.push(format!("{indent}{}", plain(key)));
                all.extend(lines(value, depth + 1));
            }
            all
        }
        Value::Array(items) => {
            let item = |item: &Value| {
                if simple(item) {
                    return vec![format!("{indent}- {}", plain(&text(item)))];
                }
                [format!("{indent}-")].into_iter().chain(lines(item, depth + 1)).collect()
            };
            items.iter().flat_map(item).collect()
        }
        other => vec![format!("{indent}{}", plain(&text(other)))],
    }
}

/// In a few words, while it runs.
pub fn how_far(run: &JobRun) -> String {
    let said = run.progress.as_ref().map(flat).unwrap_or_default();
    let said: Vec<_> = said.into_iter().map(|(key, value)| format!("{key} {value}")).collect();
    ui::shorten(&format!("{} {}", run.job, said.join(", ")), 100)
}

fn words(job: &JobState) -> String {
    let state = job.state.replace('_', " ");
    if job.late && job.state != "late" { format!("{state}, late") } else { state }
}

fn outcome(run: &JobRun) -> &str {
    run.outcome.as_deref().unwrap_or("running")
}

fn colour(state: &str) -> AnsiColors {
    match state {
        "on_time" | "succeeded" => AnsiColors::Green,
        "running" => AnsiColors::Cyan,
        "late" | "failed" | "stuck" => AnsiColors::Red,
        _ => AnsiColors::Default,
    }
}

/// From its start to its end, or until now.
fn took(run: &JobRun, now: Timestamp) -> String {
    let milliseconds = run.finished_at.unwrap_or(now).duration_since(run.started_at).as_millis().max(0);
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), Into::into)
}

/// An object's members as texts, words before numbers; anything else under no name.
fn flat(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(members) => {
            let (words, rest): (Vec<_>, Vec<_>) = members.iter().partition(|(_, value)| value.is_string());
            words.into_iter().chain(rest).map(|(key, value)| (key.clone(), text(value))).collect()
        }
        Value::Null => Vec::new(),
        other => vec![(String::new(), text(other))],
    }
}

/// Colours a column's cells. What stands before it is plain ASCII: names, times, ids.
fn paint(table: &str, column: &str, colours: impl Iterator<Item = AnsiColors>) -> String {
    let mut lines = table.lines();
    let header = lines.next().unwrap_or_default();
    let begin = header.find(column).unwrap_or_default();
    let end = header[begin..]
        .find("  ")
        .map_or(usize::MAX, |gap| begin + gap + header[begin + gap..].len() - header[begin + gap..].trim_start().len());
    let painted = lines.zip(colours).map(|(line, colour)| {
        let end = end.min(line.len());
        match (line.get(..begin), line.get(begin..end), line.get(end..)) {
            (Some(before), Some(cell), Some(after)) => format!("{before}{}{after}", cell.color(colour)),
            _ => line.to_owned(),
        }
    });
    [header.bold().to_string()].into_iter().chain(painted).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn a_run(seconds: i64, outcome: Option<&str>) -> JobRun {
        let started_at = Timestamp::UNIX_EPOCH;
        JobRun {
            id: Uuid::nil(),
            job: "backup".into(),
            actor: None,
            started_at,
            finished_at: outcome.map(|_| Timestamp::from_second(seconds).unwrap()),
            outcome: outcome.map(Into::into),
            progress: Some(json!({"phase": "dump", "bytes": 12})),
            result: None,
            error: None,
        }
    }

    #[test]
    fn a_state_is_coloured_and_nothing_else() {
        let state = |name: &str, state: &str, late, last_run| JobState {
            name: name.into(),
            function: "F".into(),
            period_seconds: 86_400,
            grace_seconds: 60,
            state: state.into(),
            late,
            last_run,
            last_success_at: Some(Timestamp::UNIX_EPOCH),
            due_at: Some(Timestamp::from_second(86_400).unwrap()),
        };
        let jobs = [
            state("backup", "on_time", false, Some(a_run(75, Some("succeeded")))),
            state("drill", "failed", true, None),
        ];
        let text = states(&jobs, Timestamp::from_second(7_200).unwrap());
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert!(lines[0].contains("\u{1b}[32mon time"), "{text:?}");
        assert!(
            lines[0].contains("2h ago") && lines[0].contains("1 min 15 s") && lines[0].contains("in 22h"),
            "{text}"
        );
        assert!(lines[1].contains("\u{1b}[31mfailed, late"), "{text:?}");
        assert_eq!(text.matches("\u{1b}[3").count(), 4, "two begin and two end: {text:?}");
    }

    #[test]
    fn a_result_is_shown_a_line_for_each_part_and_steers_no_terminal() {
        let result = json!({
            "differences": ["+ table x", "~ view y"], "more": 0, "note": "by hand\u{1b}[2J",
            "violations": [{"name": "a", "rows": ["id=1\nid=2"]}], "k\u{1b}": null, "none": [],
        });
        let expected = [
            "  note              by hand\u{fffd}[2J",
            "  k\u{fffd}                null",
            "  more              0",
            "  none              []",
            "  differences",
            "    - + table x",
            "    - ~ view y",
            "  violations",
            "    -",
            "      name          a",
            "      rows",
            "        - id=1\n          id=2",
        ];
        assert_eq!(lines(&result, 1), expected);
        assert_eq!(lines(&json!(7), 1), ["  7"]);
        assert!(lines(&Value::Null, 1).is_empty());
    }

    #[test]
    fn times_and_progress_are_short() {
        let now = Timestamp::from_second(2).unwrap();
        assert_eq!(took(&a_run(0, Some("failed")), now), "0 ms");
        assert_eq!(took(&a_run(0, None), now), "2.0 s");
        assert_eq!(took(&a_run(901, Some("succeeded")), now), "15 min 1 s");
        assert_eq!(how_far(&a_run(0, None)), "backup phase dump, bytes 12");
    }
}
