//! How a report looks on a terminal. Pure: text comes out, with colours that are dropped where there is no terminal.

mod rows;

use ops::Waiting;
use owo_colors::OwoColorize as _;

use super::{
    gather::{Part, Report},
    judge::{Judged, Matter, Verdict, number, trouble},
};
use crate::when::moment;
use rows::{INDENT, LABEL, Mark, NARROWEST, flat, rows};

/// The whole screen. Free texts are cut so that a line fits into `width` columns.
pub fn screen(report: &Report, judged: &Judged, width: usize) -> String {
    let title = format!("Solo OS on {}", report.stage);
    let mut lines = vec![format!("{}, {}", title.bold(), moment(report.at)), String::new()];
    for row in rows(report, width.max(NARROWEST)) {
        let mark = match row.mark {
            Mark::Well => "✓".green().to_string(),
            Mark::Wrong => "!".red().bold().to_string(),
            Mark::Plain => "·".dimmed().to_string(),
        };
        lines.push(format!("  {mark} {:<LABEL$} {}", row.label, row.text));
        lines.extend(row.more.into_iter().map(|line| format!("{:INDENT$}{line}", "")));
    }
    lines.join("\n") + "\n\n" + &closing(judged)
}

/// One line without colours, the same as long as nothing changed.
pub fn words_of(report: &Report) -> String {
    let health = match &report.health {
        Part::There(health) => flat(&health.status),
        Part::Missing { .. } => "silent".into(),
    };
    let alarms = ringing(report);
    let Some(status) = report.status.there() else {
        return format!("health {health}, the record cannot be read{alarms}");
    };
    let late = status.jobs.iter().filter(|job| trouble(job, status.at).is_some()).count();
    let count = |waiting: Waiting| number(waiting.count);
    format!(
        "health {health}, processing {}, failed {}, dead {}, outbox {} and {} dead, alerts {} critical {} warning, jobs in trouble {late}",
        count(status.processing),
        count(status.failed),
        count(status.dead),
        count(status.outbox.pending),
        count(status.outbox.dead),
        number(status.alerts.critical),
        number(status.alerts.warning),
    ) + &alarms
}

/// By their names: one that ends as another begins is news.
fn ringing(report: &Report) -> String {
    match &report.alarms {
        Some(Part::There(alarms)) if alarms.is_empty() => ", no alarm rings".into(),
        Some(Part::There(alarms)) => {
            let names: Vec<_> = alarms.iter().map(|alarm| flat(&alarm.name)).collect();
            format!(", ringing: {}", names.join(" "))
        }
        Some(Part::Missing { .. }) => ", alarms not known".into(),
        None => String::new(),
    }
}

fn closing(judged: &Judged) -> String {
    let (urgent, later): (Vec<_>, Vec<_>) = judged.matters.iter().partition(|matter| matter.urgent);
    let mut text = match judged.verdict {
        Verdict::Well if later.is_empty() => format!("{}\n", "All is well.".green().bold()),
        Verdict::Well => format!("{} To look at when there is time:\n", "All is well.".green().bold()),
        Verdict::NeedsYou => format!("{}\n", "Needs you:".red().bold()),
        Verdict::Unknown => format!("{}\n", "Not everything could be asked: see above.".yellow().bold()),
    };
    text += &list(&urgent);
    if !later.is_empty() && judged.verdict != Verdict::Well {
        text += "When there is time:\n";
    }
    text + &list(&later)
}

fn list(matters: &[&Matter]) -> String {
    let width = matters.iter().map(|matter| flat(&matter.what).chars().count()).max().unwrap_or_default();
    let line = |matter: &&Matter| format!("  {:<width$}   {}\n", flat(&matter.what), flat(&matter.command).cyan());
    matters.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
