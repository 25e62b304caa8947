//! The job `review`: once a month, what is worth an hour of the founder's time.
//!
//! [`facts`] reads, [`findings`] judges, [`digest`] puts it into one message; the whole is kept in `reviews`.
//!
//! Deliberately absent: cost, which is not known here.

pub mod digest;
mod facts;
mod findings;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::{
    alerts::{self, Severity},
    clock,
    db::DbError,
    reviews::{self, Figures, Review},
};
use uuid::Uuid;

use crate::{Reconcile, reader::words};

const KEY: &str = "operations_review";
/// What is looked at.
const PERIOD: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Sizes are compared with those of a review that is older than this: one made by hand a moment ago tells nothing.
const COMPARED_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Of one statement.
const LONGEST: Duration = Duration::from_mins(2);

/// The job's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reviewed {
    pub review: Uuid,
    pub findings: usize,
}

pub(crate) async fn run(reconcile: &Reconcile, now: Timestamp) -> Result<Reviewed, String> {
    let database = &reconcile.platform.database;
    let text = |error: DbError| error.to_string();
    let (since, until) = (now - PERIOD, now - COMPARED_AFTER);
    let earlier = {
        let mut session = database.session().await.map_err(text)?;
        reviews::before(&mut session, until).await.map_err(text)?
    };
    let mut facts = {
        let reading = reconcile.reader.connect().await.map_err(|error| error.to_string())?;
        reading.begin(LONGEST).await.map_err(|error| words(&error))?;
        let facts = facts::read(&reading, since).await.map_err(|error| words(&error))?;
        reading.end().await.map_err(|error| words(&error))?;
        facts
    };
    compare(&mut facts.figures, earlier);
    match reconcile.secrets.last_changed(&reconcile.app_secret_id).await {
        Ok(changed) => facts.figures.secret_changed = Some(changed),
        Err(error) => facts.secret_problem = Some(error.to_string()),
    }
    let flags = app::flags::built_in().map_err(|faults| faults.to_string())?;
    let findings = findings::of(&facts, &reconcile.platform.settings.file, &app::handlers().event_types(), &flags, now);
    let day = |time: Timestamp| time.strftime("%Y-%m-%d").to_string();
    let period = format!("{} to {}", day(since), day(now));
    let review = Review { id: clock::new_id(), at: now, period, findings, figures: facts.figures };
    let message = digest::message(&review);
    let mut session = database.session().await.map_err(text)?;
    session.begin().await.map_err(text)?;
    reviews::record(&mut session, &review).await.map_err(text)?;
    alerts::raise_anew(&mut session, Severity::Info, KEY, &message).await.map_err(text)?;
    session.commit().await.map_err(text)?;
    Ok(Reviewed { review: review.id, findings: review.findings.len() })
}

/// How much everything has grown since an earlier review.
fn compare(figures: &mut Figures, earlier: Option<(Timestamp, Figures)>) {
    let Some((at, earlier)) = earlier else { return };
    figures.compared_with = Some(at);
    figures.database_grown = Some(figures.database_bytes - earlier.database_bytes);
    for table in &mut figures.tables {
        let before = earlier.tables.iter().find(|before| before.table == table.table);
        table.grown = before.map(|before| table.bytes - before.bytes);
    }
}
