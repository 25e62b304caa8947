//! The job `drift`: the live schema against the one that the migrations make.

use std::{cmp::Ordering, time::Duration};

use serde::Serialize;
use shared::{
    alerts::{self, Severity},
    jobs::Progress,
    migrations,
    schema::{Catalog, Difference, EXPECTED, compare},
};
use uuid::Uuid;

use crate::{
    Reconcile,
    reader::{Reading, words},
};

const KEY: &str = "schema_drift";
const LONGEST: Duration = Duration::from_mins(2);
/// In the job's result, in a line of it, and in the alert.
const KEPT: usize = 500;
const LONGEST_LINE: usize = 500;
const IN_MESSAGE: usize = 5;
const LONGEST_IN_MESSAGE: usize = 200;

const HISTORY: &str = "SELECT to_regclass('public.schema_migrations') IS NOT NULL";
const VERSION: &str = "SELECT COALESCE(max(version), 0) FROM public.schema_migrations";

/// The job's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The newest migration that the database has, and that this release knows.
    pub schema_version: i32,
    pub known_version: i32,
    /// Nothing was compared when the database has other migrations than this release.
    pub compared: bool,
    /// What to know of the comparison, or why there is none.
    pub note: Option<String>,
    /// `+` is there and should not be, `-` is missing, `~` is otherwise. The first 500.
    pub differences: Vec<String>,
    pub more: usize,
}

pub(crate) async fn run(reconcile: &Reconcile, progress: &Progress<'_>) -> Result<Drift, String> {
    let reading = reconcile.reader.connect().await.map_err(|error| error.to_string())?;
    let drift = look(&reading).await.map_err(|error| format!("the catalog cannot be read: {}", words(&error)))?;
    tracing::info!(
        schema_version = drift.schema_version,
        compared = drift.compared,
        differences = drift.differences.len() + drift.more,
        note = drift.note,
        "the schema was looked at"
    );
    tell(reconcile, &drift, progress.run_id()).await.map_err(|error| error.to_string())?;
    Ok(drift)
}

async fn look(reading: &Reading) -> Result<Drift, tokio_postgres::Error> {
    let known_version = migrations::ALL.last().map_or(0, |migration| migration.version);
    reading.begin(LONGEST).await?;
    let has_history: bool = reading.query_one(HISTORY, &[]).await?.try_get(0)?;
    let schema_version = if has_history { reading.query_one(VERSION, &[]).await?.try_get(0)? } else { 0 };
    let mut drift =
        Drift { schema_version, known_version, compared: false, note: None, differences: Vec::new(), more: 0 };
    match schema_version.cmp(&known_version) {
        Ordering::Equal => {
            let actual = Catalog::read(reading).await?;
            reading.end().await?;
            drift.set(&Catalog::parse(EXPECTED), &actual);
        }
        Ordering::Greater => {
            drift.note = Some(format!(
                "the database has migration {schema_version} and this release knows {known_version}: it was rolled back, and \
                 cannot tell what belongs to the newer ones"
            ));
        }
        Ordering::Less => {
            let lacks = migrations::ALL.iter().filter(|migration| migration.version > schema_version);
            let names: Vec<_> = lacks.map(|migration| format!("{:04}_{}", migration.version, migration.name)).collect();
            let (count, names) = (names.len(), names.join(", "));
            drift.note = Some(format!("the database lacks {count} of this release's migrations: {names}"));
        }
    }
    Ok(drift)
}

impl Drift {
    fn set(&mut self, expected: &Catalog, actual: &Catalog) {
        self.compared = true;
        if expected.major != actual.major {
            self.note = Some(format!(
                "what is expected was written by PostgreSQL {}, the server is {}: one may print a definition otherwise",
                expected.major, actual.major
            ));
        }
        let differences = compare(expected, actual);
        self.more = differences.len().saturating_sub(KEPT);
        let line = |difference: &Difference| shorten(&difference.to_string(), LONGEST_LINE);
        self.differences = differences.iter().take(KEPT).map(line).collect();
    }
}

async fn tell(reconcile: &Reconcile, drift: &Drift, run: Uuid) -> Result<(), shared::db::DbError> {
    let mut session = reconcile.platform.database.session().await?;
    let count = drift.differences.len() + drift.more;
    if count > 0 {
        let first = drift.differences.iter().take(IN_MESSAGE).map(|line| shorten(line, LONGEST_IN_MESSAGE));
        let note = drift.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        let message = format!(
            "the database's schema is not what the migrations make, in {count} {}{note}: {}{}. All: solo jobs show {run} --stage <stage>",
            if count == 1 { "place" } else { "places" },
            first.collect::<Vec<_>>().join(" | "),
            if count > IN_MESSAGE { " | ..." } else { "" },
        );
        alerts::raise(&mut session, Severity::Warning, KEY, &message).await
    } else if drift.compared {
        alerts::resolve(&mut session, KEY).await.map(drop)
    } else if drift.schema_version < drift.known_version {
        let note = drift.note.as_deref().unwrap_or_default();
        let message = format!("{note}. Run the migrations: a deploy does, or the function migrate by hand");
        alerts::raise(&mut session, Severity::Warning, KEY, &shorten(&message, 1_500)).await
    } else {
        // Nothing is known, so nothing begins and nothing ends.
        Ok(())
    }
}

fn shorten(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some(_) => text.chars().take(longest - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(shorten("fits", 4), "fits");
        assert_eq!(shorten("ééééé", 4), "ééé…");
    }
}
