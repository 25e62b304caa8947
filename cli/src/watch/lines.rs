//! Where there is no terminal: one line for each change.

use std::{
    collections::HashMap,
    io::{Write as _, stdout},
};

use ops::ExecutionSummary;
use uuid::Uuid;

use super::{
    Shown,
    look::{FOLLOWED, Seen},
};
use crate::{
    status::{Part, Report, words_of},
    ui, when,
};

#[derive(Default)]
pub struct Lines {
    words: String,
    problem: Option<String>,
    /// What was told of the executions that were seen last.
    told: Option<HashMap<Uuid, String>>,
    /// That more was replayed than is followed.
    unfollowed: bool,
}

impl Shown for Lines {
    fn show(&mut self, report: &Report, seen: &Part<Seen>) -> anyhow::Result<()> {
        let mut out = stdout().lock();
        for line in self.changes(report, seen) {
            writeln!(out, "{} {line}", when::moment(report.at))?;
        }
        Ok(out.flush()?)
    }
}

impl Lines {
    /// What is there at the first look is no change, but for the overview.
    pub(super) fn changes(&mut self, report: &Report, seen: &Part<Seen>) -> Vec<String> {
        let mut lines = Vec::new();
        let words = words_of(report);
        if words != self.words {
            self.words.clone_from(&words);
            lines.push(words);
        }
        match seen {
            Part::Missing { problem } => {
                if self.problem.as_ref() != Some(problem) {
                    lines.push(format!("executions: not known: {}", ui::shorten(problem, 300)));
                }
                self.problem = Some(problem.clone());
            }
            Part::There(seen) => {
                self.problem = None;
                lines.extend(self.of_executions(seen));
            }
        }
        lines
    }

    fn of_executions(&mut self, seen: &Seen) -> Vec<String> {
        let now: HashMap<_, _> = seen.all().map(|it| (it.id, state(it))).collect();
        let mut lines = Vec::new();
        if let Some(told) = &self.told {
            // Not one of those before is among them: how many came between them and these is not known.
            if seen.older && !seen.newest.iter().any(|it| told.contains_key(&it.id)) {
                let count = seen.newest.len();
                lines.push(format!(
                    "executions: {count} or more came since the last look, and the newest {count} are told"
                ));
            }
            if seen.unfollowed && !self.unfollowed {
                lines.push(format!("executions: of what was replayed, the last {FOLLOWED} are told"));
            }
            lines.extend(seen.all().rev().filter(|it| told.get(&it.id) != now.get(&it.id)).map(line));
        }
        self.unfollowed = seen.unfollowed;
        self.told = Some(now);
        lines
    }
}

fn state(it: &ExecutionSummary) -> String {
    format!("{} attempt {} of generation {}", it.status, it.attempt, it.generation)
}

fn line(it: &ExecutionSummary) -> String {
    let error = it
        .last_error
        .as_deref()
        .filter(|_| it.status != "completed")
        .map(|error| format!(": {}", ui::shorten(error, 120)));
    let (source, kind, status) =
        (ui::shorten(&it.source, 40), ui::shorten(&it.event_type, 60), ui::shorten(&it.status, 20));
    format!("{source} {kind} {} {status}{}", it.id, error.unwrap_or_default())
}
