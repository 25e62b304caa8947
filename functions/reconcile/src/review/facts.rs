//! What a review is made of, read from the database in one transaction.

use jiff::Timestamp;
use shared::reviews::{Figures, Noise, TableSize};
use tokio_postgres::{Client, Error, Row};

/// What came in, by who sent it and as what. The smoke tests of deployments are nobody's.
const RECEIVED: &str = "
    SELECT source, event_type, schema_version, count(*) AS events, count(*) FILTER (WHERE status = 'dead') AS dead
      FROM executions
     WHERE received_at > $1 AND event_type <> 'solo.smoke_test'
     GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT 10000";
const DEAD_LETTERS: &str =
    "SELECT count(*), min(finished_at) FROM executions WHERE status = 'dead' AND resolved_at IS NULL";
const DEAD_EFFECTS: &str = "SELECT count(*), min(finished_at) FROM outbox WHERE status = 'dead' AND COALESCE(effect ->> 'kind', '') NOT IN ('ping', 'error')";
/// How many are open and were seen within the month, and the most frequent of them.
const ERRORS: &str = "
    SELECT count(*) OVER () AS errors, culprit, title, count AS times
      FROM errors
     WHERE resolved_at IS NULL AND last_seen > $1
     ORDER BY count DESC, id LIMIT 1";
/// One that is a day old is not being looked after. The review before this one is about to end.
const OPEN_ALERTS: &str = "
    SELECT count(*), min(raised_at) FROM alerts
     WHERE resolved_at IS NULL AND raised_at < now() - interval '1 day' AND key <> 'operations_review'";
const SILENCES: &str = "SELECT count(*), max(until) FROM alert_silences WHERE until > now()";
/// One of a job that is late is raised every hour until it is not: it counts once, as often as it was late.
const ALERTS: &str = "
    SELECT key, sum(CASE WHEN starts_with(key, 'job_late:') THEN 1 ELSE occurrences END)::bigint AS times, count(*) FILTER (WHERE raised_at > $1) AS alerts
      FROM alerts
     WHERE last_raised_at > $1 AND key NOT IN ('operations_review', 'test')
     GROUP BY key ORDER BY 2 DESC, 1 LIMIT 10000";
const JOB_FAILURES: &str = "
    SELECT job, count(*), max(started_at) FROM job_runs
     WHERE started_at > $1 AND outcome IN ('failed', 'stuck')
     GROUP BY job ORDER BY 2 DESC, 1";
const WATCHED: &str = "SELECT min(watched_since) FROM jobs";
const SUCCESSES: &str = "SELECT name, last_success_at FROM jobs WHERE name IN ('backup', 'drill')";
const DEPLOYMENTS: &str = "
    SELECT count(*) FILTER (WHERE kind = 'deploy') AS deployments,
           count(*) FILTER (WHERE kind = 'deploy' AND outcome <> 'succeeded') AS bad,
           count(*) FILTER (WHERE kind = 'rollback') AS rollbacks
      FROM deployments WHERE finished_at > $1";
const SIZE: &str = "SELECT pg_database_size(current_database())";
const TABLES: &str = "
    SELECT c.oid::regclass::text AS name, pg_total_relation_size(c.oid) AS bytes
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY 2 DESC, 1 LIMIT 10";

/// How many keys of alerts are named.
const NOISIEST: usize = 5;

/// Everything that a review judges.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) received: Vec<Received>,
    /// Since when this database is in service, as far as it tells.
    pub(super) watched_since: Option<Timestamp>,
    pub(super) dead_letters: Waiting,
    pub(super) dead_effects: Waiting,
    pub(super) errors: Option<OpenErrors>,
    pub(super) open_alerts: Waiting,
    pub(super) silences: Waiting,
    pub(super) job_failures: Vec<JobFailures>,
    /// Why the age of the app's secret is not known.
    pub(super) secret_problem: Option<String>,
    pub(super) figures: Figures,
}

/// Events of one kind within the month.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) source: String,
    pub(super) event_type: String,
    pub(super) version: u16,
    pub(super) events: i64,
    pub(super) dead: i64,
}

/// How many, and since (of silences: until) when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waiting {
    pub(super) count: i64,
    pub(super) time: Option<Timestamp>,
}

/// How many kinds, and the most frequent one.
#[derive(Clone, Debug)]
pub(super) struct OpenErrors {
    pub(super) count: i64,
    pub(super) culprit: String,
    pub(super) title: String,
    pub(super) times: i64,
}

#[derive(Clone, Debug)]
pub(super) struct JobFailures {
    pub(super) job: String,
    pub(super) count: i64,
    pub(super) latest: Timestamp,
}

/// In an open transaction.
pub(super) async fn read(client: &Client, since: Timestamp) -> Result<Facts, Error> {
    let mut facts = Facts {
        received: client.query(RECEIVED, &[&since]).await?.iter().map(received).collect::<Result<_, _>>()?,
        watched_since: client.query_one(WATCHED, &[]).await?.try_get(0)?,
        dead_letters: waiting(&client.query_one(DEAD_LETTERS, &[]).await?)?,
        dead_effects: waiting(&client.query_one(DEAD_EFFECTS, &[]).await?)?,
        errors: client.query_opt(ERRORS, &[&since]).await?.as_ref().map(errors).transpose()?,
        open_alerts: waiting(&client.query_one(OPEN_ALERTS, &[]).await?)?,
        silences: waiting(&client.query_one(SILENCES, &[]).await?)?,
        job_failures: client.query(JOB_FAILURES, &[&since]).await?.iter().map(job).collect::<Result<_, _>>()?,
        ..Facts::default()
    };
    facts.figures = figures(client, since, &facts).await?;
    Ok(facts)
}

async fn figures(client: &Client, since: Timestamp, facts: &Facts) -> Result<Figures, Error> {
    let mut figures = Figures {
        events: facts.received.iter().map(|received| received.events).sum(),
        events_dead: facts.received.iter().map(|received| received.dead).sum(),
        job_failures: facts.job_failures.iter().map(|failures| failures.count).sum(),
        database_bytes: client.query_one(SIZE, &[]).await?.try_get(0)?,
        ..Figures::default()
    };
    for row in client.query(ALERTS, &[&since]).await? {
        figures.alerts += row.try_get::<_, i64>("alerts")?;
        if figures.noisiest.len() < NOISIEST {
            figures.noisiest.push(Noise { key: row.try_get("key")?, times: row.try_get("times")? });
        }
    }
    for row in client.query(SUCCESSES, &[]).await? {
        let last = row.try_get("last_success_at")?;
        match row.try_get("name")? {
            "backup" => figures.last_backup = last,
            _ => figures.last_drill = last,
        }
    }
    let deployments = client.query_one(DEPLOYMENTS, &[&since]).await?;
    figures.deployments = deployments.try_get("deployments")?;
    figures.deployments_bad = deployments.try_get("bad")?;
    figures.rollbacks = deployments.try_get("rollbacks")?;
    for row in client.query(TABLES, &[]).await? {
        figures.tables.push(TableSize { table: row.try_get("name")?, bytes: row.try_get("bytes")?, grown: None });
    }
    Ok(figures)
}

fn received(row: &Row) -> Result<Received, Error> {
    let version: i16 = row.try_get("schema_version")?;
    Ok(Received {
        source: row.try_get("source")?,
        event_type: row.try_get("event_type")?,
        version: u16::try_from(version).unwrap_or_default(),
        events: row.try_get("events")?,
        dead: row.try_get("dead")?,
    })
}

fn waiting(row: &Row) -> Result<Waiting, Error> {
    Ok(Waiting { count: row.try_get(0)?, time: row.try_get(1)? })
}

fn errors(row: &Row) -> Result<OpenErrors, Error> {
    Ok(OpenErrors {
        count: row.try_get("errors")?,
        culprit: row.try_get("culprit")?,
        title: row.try_get("title")?,
        times: row.try_get("times")?,
    })
}

fn job(row: &Row) -> Result<JobFailures, Error> {
    Ok(JobFailures { job: row.try_get(0)?, count: row.try_get(1)?, latest: row.try_get(2)? })
}
