//! Pings: a run tells a service outside when it begins and how it ends, in the form of healthchecks.io
//! (<https://healthchecks.io/docs/http_api/>). Who expects them hears of a stage that says nothing at all, which nothing in the
//! stage itself can tell.
//!
//! A ping is an effect of the outbox, written by the statement that records what it tells of. Deliberately absent: alerts about
//! pings that do not arrive. The service raises its own.

use serde_json::Value;
use uuid::Uuid;

use super::{Job, run::first_line};
use crate::{
    clock,
    db::{Database, DbError},
    outbox::{Effect, Ping},
};

/// Where runs are recorded, and whether they are told of outside.
#[derive(Clone, Copy)]
pub struct Records<'d> {
    pub database: &'d Database,
    /// The name of the secret with the pings' base URL: `[jobs] ping` of `solo.toml`.
    pub ping: Option<&'d str>,
}

impl<'d> From<&'d Database> for Records<'d> {
    fn from(database: &'d Database) -> Self {
        Self { database, ping: None }
    }
}

/// What there is to tell.
#[derive(Clone, Copy)]
pub(super) enum Moment<'e> {
    Start,
    Success,
    Failure(&'e str),
}

/// A row for the outbox; its `effect` is null when nobody is to be told.
pub(super) struct Row {
    pub id: Uuid,
    pub effect: Option<Value>,
}

impl Row {
    /// A run's.
    pub fn of(secret: Option<&str>, job: &Job, run: Uuid, moment: Moment<'_>) -> Result<Self, DbError> {
        let (end, body) = match moment {
            Moment::Start => ("/start", None),
            Moment::Success => ("", None),
            Moment::Failure(error) => ("/fail", Some(first_line(error))),
        };
        Self::new(secret, format!("{}{end}", job.name), Some(run), body)
    }

    /// A tick's, which has no run to name.
    pub fn of_tick(secret: Option<&str>, job: &str) -> Result<Self, DbError> {
        Self::new(secret, job.to_owned(), None, None)
    }

    fn new(secret: Option<&str>, path: String, run: Option<Uuid>, body: Option<String>) -> Result<Self, DbError> {
        let effect = secret.map(|secret| Effect::Ping(Ping { secret: secret.to_owned(), path, run, body }));
        let effect = effect.map(serde_json::to_value).transpose();
        let effect = effect.map_err(|_| DbError::Unexpected("an effect is not JSON"))?;
        Ok(Self { id: clock::new_id(), effect })
    }
}
