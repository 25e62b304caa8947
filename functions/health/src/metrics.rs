//! `GET /metrics`: how the stage does, for a Prometheus of the founder's own. With the health token only.
//!
//! Everything comes from the database, so every environment tells the same, and nothing is lost when one ends. The labels are
//! closed lists (statuses, severities, jobs): no sender and no event type becomes a series.
//!
//! With the database out the answer is 200 all the same, with `solo_database_up 0` and none of the figures: a scrape that fails
//! tells less. A database that answers, but not this statement (a lock, a migration, a missing grant), is
//! `solo_scrape_success 0`. Without the token it is 401; when the token cannot be checked, 503.
//!
//! Deliberately absent: rates and latencies of requests, which `CloudWatch` has; figures of the process, which are those of one
//! environment among several.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use shared::{
    db::{Database, DbError},
    http::{Problem, client_address, too_many},
    jobs,
};
use tokio::time::timeout;

use crate::{
    Environment, Token,
    answer::Audience,
    exposition::{CONTENT_TYPE, Page},
    probes::PROBE_WITHIN,
};

const READ: &str = include_str!("sql/metrics.sql");

/// What the statement has, under the names that it gives: name, label, what it is.
const FAMILIES: &[(&str, Option<&str>, &str)] = &[
    (
        "executions",
        Some("status"),
        "Executions that are not completed; of the dead ones, those that nobody resolved. Counted up to 10000: 10001 is more.",
    ),
    (
        "executions_oldest_seconds",
        Some("status"),
        "Age of the oldest of them, of those that were counted: since it was received; of a dead one, since it died. 0 for none.",
    ),
    (
        "executions_due",
        None,
        "Executions whose next attempt is due and has not begun. Counted up to 10000 of each status.",
    ),
    (
        "executions_expired",
        None,
        "Executions whose runner stopped, and that no sweep has found yet. Counted up to 10000.",
    ),
    (
        "outbox",
        Some("status"),
        "Effects that are not delivered; lost pings and reports of errors left out. Counted up to 10000: 10001 is more.",
    ),
    (
        "outbox_oldest_seconds",
        Some("status"),
        "Age of the oldest of them, of those that were counted: since it was asked for; of a dead one, since it died. 0 for none.",
    ),
    ("alerts_open", Some("severity"), "Alerts whose condition lasts. Counted up to 10000."),
    ("alerts_pending", Some("severity"), "Alerts that somebody is still to be told of. Counted up to 10000."),
    (
        "job_last_success_timestamp_seconds",
        Some("job"),
        "When the job last succeeded, in Unix time. Absent until it has.",
    ),
    ("job_late", Some("job"), "1 when the job has not succeeded for longer than its period and its grace."),
    ("job_failed", Some("job"), "1 when the job's last run failed."),
    ("job_stuck", Some("job"), "1 when the job's last run began and never said how it ended."),
    (
        "backup_last_timestamp_seconds",
        None,
        "When the last good backup was completed, in Unix time. Absent until there is one.",
    ),
    ("backup_last_bytes", None, "Size of the last good backup, as it is stored."),
    ("backup_last_verified", None, "1 when a drill has restored the last good backup and found it equal."),
    ("schema_version", None, "The newest migration that the database has."),
];

/// One figure, by the name of its family.
#[derive(Debug)]
pub struct Figure {
    family: String,
    label: Option<String>,
    value: f64,
}

/// None when they cannot be read.
pub type Figures = Option<Arc<[Figure]>>;

pub(crate) async fn metrics(
    State(environment): State<Arc<Environment>>,
    request: Request,
) -> Result<Response, Problem> {
    environment.limiter.check(client_address(&request)).map_err(too_many)?;
    // Both may take their 2 s. Without the token this is a look that /health/ready gives to everyone.
    let database = environment.probes.database(&environment.database);
    let (token, database) = tokio::join!(environment.token(request.headers()), database);
    match token {
        Token::Valid => {}
        Token::Invalid => return Ok(unauthorized()),
        Token::Unknown => {
            let detail = "The token cannot be checked now. Try again.";
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
            return Err(problem.retry_after(Duration::from_secs(5)));
        }
    }
    let up = database.is_ok();
    let figures = if up { environment.figures.get(read(&environment.database)).await } else { None };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE)),
        (header::CACHE_CONTROL, Audience::Caller.cache_control(environment.settings.kept_for)),
        (header::VARY, HeaderValue::from_static("authorization")),
    ];
    Ok((headers, page(up, &figures, environment.settings.release.as_deref())).into_response())
}

fn unauthorized() -> Response {
    let detail = "Send the header Authorization: Bearer <the health token>.";
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", detail).into_response();
    // RFC 9110, section 11.6.1: a 401 names the scheme that it wants.
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn page(up: bool, figures: &Figures, release: Option<&str>) -> String {
    let mut page = Page::default();
    let labels = vec![("version", env!("CARGO_PKG_VERSION")), ("release", release.unwrap_or_default())];
    page.gauges("solo_build_info", "1, with what is deployed.", [(labels, 1.0)]);
    for (name, help, so) in [
        ("solo_database_up", "1 when the database answers.", up),
        (
            "solo_scrape_success",
            "1 when the figures could be read. All that follow are absent when not.",
            figures.is_some(),
        ),
    ] {
        page.gauges(name, help, [(vec![], f64::from(u8::from(so)))]);
    }
    for (family, label, help) in FAMILIES {
        let of_family = figures.iter().flat_map(|all| all.iter()).filter(|figure| figure.family == *family);
        let samples =
            of_family.map(|figure| (label.iter().copied().zip(figure.label.as_deref()).collect(), figure.value));
        page.gauges(&format!("solo_{family}"), help, samples);
    }
    page.into_text()
}

async fn read(database: &Database) -> Figures {
    let read = timeout(PROBE_WITHIN, figures(database)).await.unwrap_or_else(|_| Err(DbError::silent()));
    read.inspect_err(|error| tracing::warn!(%error, "the figures cannot be read")).ok()
}

async fn figures(database: &Database) -> Result<Arc<[Figure]>, DbError> {
    let names: Vec<&str> = jobs::ALL.iter().map(|job| job.name).collect();
    let rows = database.session().await?.query(READ, &[&names]).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(value) = row.try_get("value")? {
            all.push(Figure { family: row.try_get("family")?, label: row.try_get("label")?, value });
        }
    }
    Ok(all.into())
}
