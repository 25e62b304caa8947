//! The job `reconcile`: every invariant of the app, each on its own.
//!
//! An invariant that is broken and one that cannot be checked raise the same alert, `reconciliation_failure:<name>`, since both
//! need a person. It is resolved when the invariant holds again, or is not in the code any more.

use std::time::Duration;

use serde::Serialize;
use shared::{
    alerts,
    db::{DbError, Session},
    invariants::Invariant,
    jobs::Progress,
};
use tokio::time::{Instant, timeout};

use crate::{
    Reconcile,
    reader::{Reader, Reading, words},
};

/// What one query may take.
const LONGEST: Duration = Duration::from_secs(30);
/// Kept back to record what was found.
const TO_RECORD: Duration = Duration::from_secs(15);
/// Counted up to here, and shown up to there.
const COUNTED: usize = 1_000;
const SHOWN: usize = 20;
const IN_MESSAGE: usize = 3;

const PREFIX: &str = "reconciliation_failure:";
const OPEN: &str = "SELECT key FROM alerts WHERE resolved_at IS NULL AND starts_with(key, $1)";

/// The job's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    pub invariants: usize,
    pub violated: Vec<&'static str>,
    pub violations: Vec<Violation>,
}

/// One invariant that does not hold, or of which it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    pub name: &'static str,
    /// How many rows; 1,000 stands for that or more. 0 when the query could not be run.
    pub count: usize,
    /// The first rows: `execution=0199c5a2-... invoice=in_1`.
    pub rows: Vec<String>,
    /// Why the query could not be run.
    pub problem: Option<String>,
}

pub(crate) async fn run(reconcile: &Reconcile, progress: &Progress<'_>, deadline: Instant) -> Result<Checked, String> {
    Invariant::check(reconcile.invariants)?;
    let mut violations = Vec::new();
    let mut reading = None;
    for (done, invariant) in reconcile.invariants.iter().enumerate() {
        progress.tell(&serde_json::json!({"checked": done, "invariants": reconcile.invariants.len()})).await;
        violations.extend(check(&reconcile.reader, &mut reading, invariant, deadline).await);
    }
    for violation in &violations {
        let Violation { name, count, rows, problem } = violation;
        let (keys, problem) = (rows.join("; "), problem.as_deref());
        tracing::warn!(name, count, keys, problem, "reconciliation_failure");
    }
    if violations.is_empty() {
        tracing::info!(invariants = reconcile.invariants.len(), violations = 0, "reconciliation_ok");
    }
    let mut session = reconcile.platform.database.session().await.map_err(|error| error.to_string())?;
    tell(&mut session, reconcile.invariants, &violations).await.map_err(|error| error.to_string())?;
    let violated = violations.iter().map(|violation| violation.name).collect();
    Ok(Checked { invariants: reconcile.invariants.len(), violated, violations })
}

/// None when it holds. `reading` is kept from one to the next, and given up when it is of no more use.
async fn check(
    reader: &Reader,
    reading: &mut Option<Reading>,
    invariant: &Invariant,
    deadline: Instant,
) -> Option<Violation> {
    let unknown =
        |problem: String| Some(Violation { name: invariant.name, count: 0, rows: Vec::new(), problem: Some(problem) });
    let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(TO_RECORD).min(LONGEST);
    if left < Duration::from_secs(1) {
        return unknown("the job's time was over before it; those before it take too long".into());
    }
    let connected = match reading.take().filter(|reading| !reading.is_closed()) {
        Some(reading) => reading,
        None => match reader.connect().await {
            Ok(reading) => reading,
            Err(error) => return unknown(error.to_string()),
        },
    };
    // The server ends what takes too long; this is for a server that is gone.
    let Ok(found) = timeout(left + Duration::from_secs(5), rows(&connected, invariant, left)).await else {
        return unknown("the database did not answer".into());
    };
    match found {
        Err(error) => unknown(words(&error)),
        Ok(rows) => {
            *reading = Some(connected);
            let count = rows.len().min(COUNTED);
            let rows = rows.into_iter().take(SHOWN).collect();
            (count > 0).then_some(Violation { name: invariant.name, count, rows, problem: None })
        }
    }
}

/// The rows, each as a text of its columns' names and values, 120 characters of each at most.
async fn rows(
    reading: &Reading,
    invariant: &Invariant,
    longest: Duration,
) -> Result<Vec<String>, tokio_postgres::Error> {
    // As part of another query it cannot be more than one, and what changes data cannot be part of one at all.
    let sql = format!(
        "SELECT (SELECT string_agg(left(c.key || '=' || COALESCE(c.value, 'null'), 120), ' ' ORDER BY c.ordinality)
                   FROM json_each_text(row_to_json(violation)) WITH ORDINALITY AS c (key, value, ordinality))
           FROM (\n{}\n) AS violation
          LIMIT {COUNTED}",
        invariant.query
    );
    reading.begin(longest).await?;
    let rows = reading.query(&sql, &[]).await?;
    reading.end().await?;
    let text = |row: &tokio_postgres::Row| row.try_get::<_, Option<String>>(0);
    let plain = |text: Option<String>| text.unwrap_or_default().replace(char::is_control, " ");
    rows.iter().map(|row| text(row).map(plain)).collect()
}

/// Alerts that begin, go on, and end, in one transaction.
async fn tell(session: &mut Session<'_>, invariants: &[Invariant], violations: &[Violation]) -> Result<(), DbError> {
    session.begin().await?;
    let open = session.query(OPEN, &[&PREFIX]).await?;
    for row in open {
        let key: &str = row.try_get("key")?;
        if !violations.iter().any(|violation| key.strip_prefix(PREFIX) == Some(violation.name)) {
            alerts::resolve(session, key).await?;
        }
    }
    for violation in violations {
        let Some(invariant) = invariants.iter().find(|invariant| invariant.name == violation.name) else { continue };
        let key = format!("{PREFIX}{}", violation.name);
        alerts::raise(session, invariant.severity, &key, &message(invariant, violation)).await?;
    }
    session.commit().await
}

/// What it means, how many, which, and what to do.
fn message(invariant: &Invariant, violation: &Violation) -> String {
    if let Some(problem) = &violation.problem {
        return format!("the invariant {} could not be checked: {problem}", invariant.name);
    }
    let count = match violation.count {
        1 => "1 case".to_owned(),
        COUNTED.. => format!("{COUNTED} cases or more"),
        count => format!("{count} cases"),
    };
    let shown = violation.rows.iter().take(IN_MESSAGE).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = if violation.count > IN_MESSAGE { "; ..." } else { "" };
    let stage = if invariant.todo.contains("solo ") { " (commands take --stage <stage>)" } else { "" };
    format!("{}: {count} ({shown}{more}). To do: {}{stage}", invariant.means, invariant.todo)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Invariant = Invariant::new("sample", "SELECT 1", "it is broken", "mend it");

    #[test]
    fn a_message_says_what_how_many_which_and_what_to_do() {
        let told = |count: usize| {
            let rows = (1..=count.min(SHOWN)).map(|n| format!("id={n}")).collect();
            message(&SAMPLE, &Violation { name: "sample", count, rows, problem: None })
        };
        assert_eq!(told(1), "it is broken: 1 case (id=1). To do: mend it");
        assert_eq!(told(4), "it is broken: 4 cases (id=1; id=2; id=3; ...). To do: mend it");
        let command = Invariant::new("sample", "SELECT 1", "it is broken", "solo replay <execution>");
        let violation = Violation { name: "sample", count: 1, rows: vec!["id=1".to_owned()], problem: None };
        let told_to = "it is broken: 1 case (id=1). To do: solo replay <execution> (commands take --stage <stage>)";
        assert_eq!(message(&command, &violation), told_to);
        assert!(told(COUNTED).contains("1000 cases or more"));
        let problem = Some("no such table".to_owned());
        let unknown = Violation { name: "sample", count: 0, rows: Vec::new(), problem };
        assert_eq!(message(&SAMPLE, &unknown), "the invariant sample could not be checked: no such table");
    }
}
