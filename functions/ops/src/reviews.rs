//! The monthly reviews, as a person sees them. Composed by `reconcile`; nothing here changes one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::db::{DbError, Session};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Cursor, Outcome, page::Paging};

const LIST: &str = "
    SELECT id, at, period,
           jsonb_array_length(findings)::int AS findings,
           (SELECT count(*) FROM jsonb_array_elements(findings) f WHERE f ->> 'severity' <> 'info')::int AS pressing
      FROM reviews
     WHERE ($1::timestamptz IS NULL OR (at, id) < ($1, $2))
     ORDER BY at DESC, id DESC
     LIMIT $3";

/// This one, or the newest.
const SHOW: &str = "
    SELECT id, at, period, findings, figures
      FROM reviews
     WHERE $1::uuid IS NULL OR id = $1
     ORDER BY at DESC, id DESC
     LIMIT 1";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReviewPage {
    pub reviews: Vec<ReviewSummary>,
    pub next: Option<Cursor>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReviewSummary {
    pub id: Uuid,
    pub at: Timestamp,
    pub period: String,
    pub findings: i32,
    /// Those that are more than information.
    pub pressing: i32,
}

/// As it is kept. The findings' fields are texts, and the figures any object, so that an old CLI can show what a newer stage found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReviewDetail {
    pub id: Uuid,
    pub at: Timestamp,
    pub period: String,
    pub findings: Vec<ReviewFinding>,
    pub figures: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReviewFinding {
    pub area: String,
    pub severity: String,
    pub what: String,
    pub todo: String,
}

pub(crate) async fn list(session: &mut Session<'_>, limit: u16, after: Option<Cursor>) -> Result<ReviewPage, DbError> {
    let paging = Paging::new(limit, after);
    let (after_time, after_id, fetch) = (paging.after_time(), paging.after_id(), paging.fetch());
    let rows = session.query(LIST, &[&after_time, &after_id, &fetch]).await?;
    let (reviews, next) = paging.cut(&rows, summary, |review| Cursor { at: review.at, id: review.id })?;
    Ok(ReviewPage { reviews, next })
}

pub(crate) async fn show(session: &mut Session<'_>, id: Option<Uuid>) -> Result<Outcome, DbError> {
    let Some(row) = session.query_opt(SHOW, &[&id]).await? else {
        let what =
            id.map_or_else(|| "review yet: `solo jobs run review` makes one".to_owned(), |id| format!("review {id}"));
        return Ok(Outcome::NotFound { what });
    };
    let findings = serde_json::from_value(row.try_get("findings")?)
        .map_err(|_| DbError::Unexpected("a review's findings are not of their form"))?;
    Ok(Outcome::Review(Box::new(ReviewDetail {
        id: row.try_get("id")?,
        at: row.try_get("at")?,
        period: row.try_get("period")?,
        findings,
        figures: row.try_get("figures")?,
    })))
}

fn summary(row: &Row) -> Result<ReviewSummary, DbError> {
    Ok(ReviewSummary {
        id: row.try_get("id")?,
        at: row.try_get("at")?,
        period: row.try_get("period")?,
        findings: row.try_get("findings")?,
        pressing: row.try_get("pressing")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, Operation, Request};

    /// The wire form, pinned: a CLI and a stage may be of different age.
    #[test]
    fn the_wire_form_of_reviews() {
        let nil = "00000000-0000-0000-0000-000000000000";
        for (operation, text) in [
            (
                Operation::ListReviews { limit: 20, after: None },
                r#"{"version":1,"operation":"list_reviews","limit":20,"after":null}"#.to_owned(),
            ),
            (
                Operation::ShowReview { id: Some(Uuid::nil()) },
                format!(r#"{{"version":1,"operation":"show_review","id":"{nil}"}}"#),
            ),
            (Operation::ShowReview { id: None }, r#"{"version":1,"operation":"show_review","id":null}"#.to_owned()),
        ] {
            assert_eq!(serde_json::to_string(&Request::from(operation)).unwrap(), text);
            let read: Request = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
        let (id, at, period) = (Uuid::nil(), Timestamp::UNIX_EPOCH, "a to b".to_owned());
        let summary = ReviewSummary { id, at, period: period.clone(), findings: 2, pressing: 1 };
        let finding = ReviewFinding {
            area: "secrets".into(),
            severity: "warning".into(),
            what: "old".into(),
            todo: "rotate".into(),
        };
        let detail =
            ReviewDetail { id, at, period, findings: vec![finding], figures: serde_json::json!({"events": 1}) };
        let head = format!(r#""id":"{nil}","at":"1970-01-01T00:00:00Z","period":"a to b""#);
        for (outcome, text) in [
            (
                Outcome::Reviews(ReviewPage { reviews: vec![summary], next: None }),
                format!(
                    r#"{{"version":1,"outcome":"reviews","reviews":[{{{head},"findings":2,"pressing":1}}],"next":null}}"#
                ),
            ),
            (
                Outcome::Review(Box::new(detail)),
                format!(
                    r#"{{"version":1,"outcome":"review",{head},"findings":[{{"area":"secrets","severity":"warning","what":"old","todo":"rotate"}}],"figures":{{"events":1}}}}"#
                ),
            ),
        ] {
            assert_eq!(serde_json::to_string(&Answer { version: 1, outcome }).unwrap(), text);
            let read: Answer = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }
}
