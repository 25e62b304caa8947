//! What all commands that change something have in common: who, why, how many, and telling what was done.

use std::process::ExitCode;

use anyhow::bail;
use ops::{By, Changes, Operation, Outcome};

use crate::{
    stage::{self, Stage},
    ui,
};

/// What is shown of a long list; `--json` has all of it.
const MOST_SHOWN: usize = 20;

/// Why, for a change that is small and certain.
// Flattened into other commands' arguments, whose group has the same name.
#[derive(clap::Args)]
#[group(skip)]
pub struct Why {
    /// Why; it is kept in the audit trail.
    #[arg(long)]
    reason: String,
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: stage::Arguments,
}

/// How, for a change that may be large.
#[derive(clap::Args)]
#[group(skip)]
pub struct How {
    /// Show what would happen, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Needed for more than 10 at once.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Why; it is kept in the audit trail.
    #[arg(long, required_unless_present = "dry_run")]
    reason: Option<String>,
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: stage::Arguments,
}

/// A try, or for good; for good with the number of what was agreed to.
pub struct Terms {
    pub dry_run: bool,
    pub confirmed: u32,
    pub by: By,
}

/// What is printed: `replayed` or, of a try, `would be replayed`.
#[derive(Clone, Copy)]
pub struct Words {
    pub done: &'static str,
    /// Everything was named, so that leaving any of it is a failure.
    pub named: bool,
}

impl Why {
    pub async fn perform(self, words: Words, operation: impl FnOnce(By) -> Operation) -> anyhow::Result<ExitCode> {
        let stage = Stage::open(self.stage.stage).await?;
        let operation = operation(By { actor: stage.actor().await?, reason: self.reason });
        let changes = ask(&stage, operation).await?;
        tell(&changes, words, self.json)
    }
}

impl How {
    /// With `--yes`, a try before tells how many there are: exactly so many are agreed to.
    pub async fn perform(self, words: Words, operation: impl Fn(Terms) -> Operation) -> anyhow::Result<ExitCode> {
        let stage = Stage::open(self.stage.stage).await?;
        let by = By { actor: stage.actor().await?, reason: self.reason.unwrap_or_default() };
        let mut confirmed = 0;
        if self.yes {
            let tried = operation(Terms { dry_run: true, confirmed, by: by.clone() });
            confirmed = u32::try_from(ask(&stage, tried).await?.changed.len())?;
        }
        let changes = ask(&stage, operation(Terms { dry_run: self.dry_run, confirmed, by })).await?;
        tell(&changes, words, self.json)
    }
}

async fn ask(stage: &Stage, operation: Operation) -> anyhow::Result<Changes> {
    match stage.operate(operation).await? {
        Outcome::Changed(changes) => Ok(changes),
        _ => bail!("{}", stage::UNEXPECTED),
    }
}

fn tell(changes: &Changes, words: Words, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        ui::print_json(changes)?;
    } else {
        ui::print(&text(changes, words))?;
    }
    let fine = changes.skipped.is_empty() || !words.named;
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(changes: &Changes, words: Words) -> String {
    let Words { done, .. } = words;
    let mut lines = match (changes.changed.len(), changes.dry_run) {
        (0, false) => vec![format!("Nothing was {done}.")],
        (0, true) => vec![format!("Nothing would be {done}.")],
        (count, false) => vec![format!("{count} {done}:")],
        (count, true) => vec![format!("{count} would be {done}:")],
    };
    let changed = changes.changed.iter().map(|changed| (&changed.subject, &changed.what));
    list(&mut lines, &changed.collect::<Vec<_>>());
    if !changes.skipped.is_empty() {
        lines.push(format!("{} left alone:", changes.skipped.len()));
        let skipped = changes.skipped.iter().map(|skipped| (&skipped.subject, &skipped.why));
        list(&mut lines, &skipped.collect::<Vec<_>>());
    }
    for others in &changes.others {
        lines.push(format!("Also fits, but not chosen: {} ({})", others.count, ui::one_line(&others.why)));
    }
    if changes.more {
        lines.push("More fit the filter than one request takes: run it again for the rest.".into());
    }
    if !changes.alerts_resolved.is_empty() {
        let keys: Vec<_> = changes.alerts_resolved.iter().map(|key| ui::one_line(key)).collect();
        lines.push(format!("Alerts resolved: {}", keys.join(", ")));
    }
    lines.join("\n")
}

fn list(lines: &mut Vec<String>, items: &[(&String, &String)]) {
    for (subject, what) in items.iter().take(MOST_SHOWN) {
        lines.push(format!("  {}  {}", ui::one_line(subject), ui::one_line(what)));
    }
    if items.len() > MOST_SHOWN {
        lines.push(format!("  ... and {} more (--json has them all)", items.len() - MOST_SHOWN));
    }
}

#[cfg(test)]
mod tests {
    use ops::{Changed, Others, Skipped};

    use super::*;

    const WORDS: Words = Words { done: "replayed", named: true };

    #[test]
    fn it_tells_what_was_done_what_was_left_and_why() {
        let changes = Changes {
            changed: vec![Changed { subject: "a".into(), what: "generation 2".into() }],
            skipped: vec![Skipped { subject: "b".into(), code: "waiting".into(), why: "it waits\u{1b}[2J".into() }],
            others: vec![Others { count: 3, code: "completed".into(), why: "completed".into() }],
            more: true,
            alerts_resolved: vec!["k".into(), "x\u{9b}2J\n9 replayed:".into()],
            ..Changes::default()
        };
        assert_eq!(
            text(&changes, WORDS),
            "1 replayed:\n  a  generation 2\n1 left alone:\n  b  it waits\u{fffd}[2J\n\
             Also fits, but not chosen: 3 (completed)\n\
             More fit the filter than one request takes: run it again for the rest.\nAlerts resolved: k, x\u{fffd}2J 9 replayed:"
        );
        let none = Changes { dry_run: true, ..Changes::default() };
        assert_eq!(text(&none, WORDS), "Nothing would be replayed.");
    }

    #[test]
    fn long_lists_are_cut() {
        let one = |n: usize| Changed { subject: n.to_string(), what: String::new() };
        let changes = Changes { changed: (0..25).map(one).collect(), ..Changes::default() };
        assert!(text(&changes, WORDS).ends_with("... and 5 more (--json has them all)"));
    }
}
