//! The connection while someone uses it: statements that are prepared once, and a transaction with a hard end.

use futures_util::future;
use tokio::{sync::MutexGuard, time::Instant};
use tokio_postgres::{Row, Statement, types::ToSql};

use super::{Connection, DbError, connect::Target};
use crate::metrics;

/// Values for a statement's `$1`, `$2`, ...
pub type Params<'p> = [&'p (dyn ToSql + Sync)];

/// Exclusive use of the environment's connection.
///
/// Dropped with a transaction open or a statement under way (an error path, a panic, a deadline), it takes the connection
/// with it: the server rolls back, and the next session opens a new one. So does an error that speaks of the connection,
/// of the server, or of a prepared statement that no longer fits the schema.
pub struct Session<'a> {
    slot: MutexGuard<'a, Option<Connection>>,
    target: &'a Target,
    in_transaction: bool,
    /// A statement was sent and its answer not read: its future was dropped, or is being polled.
    in_flight: bool,
    /// When that was.
    sent_at: Option<Instant>,
    /// The connection, or what is prepared on it, is of no more use.
    broken: bool,
}

impl<'a> Session<'a> {
    pub(crate) fn new(slot: MutexGuard<'a, Option<Connection>>, target: &'a Target) -> Self {
        Self { slot, target, in_transaction: false, in_flight: false, sent_at: None, broken: false }
    }

    /// Runs a statement; the rows it changed. SQL is `'static`: text from outside cannot become part of it.
    pub async fn execute(&mut self, sql: &'static str, params: &Params<'_>) -> Result<u64, DbError> {
        let statement = self.statement(sql).await?;
        self.sent();
        let result = self.connection()?.client.execute(&statement, params).await;
        self.answered(result)
    }

    pub async fn query(&mut self, sql: &'static str, params: &Params<'_>) -> Result<Vec<Row>, DbError> {
        let statement = self.statement(sql).await?;
        self.sent();
        let result = self.connection()?.client.query(&statement, params).await;
        self.answered(result)
    }

    /// One row or none; more than one is an error.
    pub async fn query_opt(&mut self, sql: &'static str, params: &Params<'_>) -> Result<Option<Row>, DbError> {
        let statement = self.statement(sql).await?;
        self.sent();
        let result = self.connection()?.client.query_opt(&statement, params).await;
        self.answered(result)
    }

    /// Opens a transaction. Ended by [`Session::commit`] or [`Session::rollback`]; a session that is dropped before takes the
    /// connection with it, and the server rolls back.
    pub async fn begin(&mut self) -> Result<(), DbError> {
        self.in_transaction = true;
        let result = self.connection()?.client.batch_execute("BEGIN").await;
        self.answered(result)
    }

    /// Runs a statement, which commits by itself, and BEGIN, in one round trip. Its row, if there is one; the transaction is
    /// open either way. An error leaves the session fit for nothing but its end.
    pub(crate) async fn begin_after(&mut self, sql: &'static str, params: &Params<'_>) -> Result<Option<Row>, DbError> {
        let statement = self.statement(sql).await?;
        self.sent();
        self.in_transaction = true;
        let client = &self.connection()?.client;
        let (first, begun) = future::join(client.query_opt(&statement, params), client.batch_execute("BEGIN")).await;
        let first = self.answered(first);
        self.answered(begun)?;
        first
    }

    /// Runs a last statement and COMMIT in one round trip. If the statement fails (the inner result), the server turns
    /// the COMMIT into a rollback.
    pub(crate) async fn commit_with(
        &mut self,
        sql: &'static str,
        params: &Params<'_>,
    ) -> Result<Result<(), DbError>, DbError> {
        let statement = self.statement(sql).await?;
        self.sent();
        let client = &self.connection()?.client;
        // `join` polls in order, and both are sent before either is answered.
        let (last, committed) = future::join(client.query(&statement, params), client.batch_execute("COMMIT")).await;
        let last = self.answered(last);
        self.answered(committed)?;
        self.in_transaction = false;
        Ok(last.map(drop))
    }

    /// An error leaves open whether the commit happened.
    pub async fn commit(&mut self) -> Result<(), DbError> {
        self.sent();
        let result = self.connection()?.client.batch_execute("COMMIT").await;
        self.answered(result)?;
        self.in_transaction = false;
        Ok(())
    }

    pub async fn rollback(&mut self) -> Result<(), DbError> {
        let result = self.connection()?.client.batch_execute("ROLLBACK").await;
        self.answered(result)?;
        self.in_transaction = false;
        Ok(())
    }

    /// Gives the connection up, and stops what it may still be doing on the server.
    pub(crate) async fn abandon(mut self) {
        if let Some(connection) = self.slot.take() {
            self.target.cancel(connection.client.cancel_token()).await;
        }
        self.in_transaction = false;
    }

    async fn statement(&mut self, sql: &'static str) -> Result<Statement, DbError> {
        if let Some(statement) = self.connection()?.statements.get(sql) {
            return Ok(statement.clone());
        }
        self.sent();
        let result = self.connection()?.client.prepare(sql).await;
        let statement = self.answered(result)?;
        self.connection()?.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    fn sent(&mut self) {
        self.in_flight = true;
        self.sent_at = Some(Instant::now());
    }

    fn answered<T>(&mut self, result: Result<T, tokio_postgres::Error>) -> Result<T, DbError> {
        self.in_flight = false;
        if let Some(sent_at) = self.sent_at.take() {
            metrics::round_trip(sent_at.elapsed());
        }
        result.map_err(|error| {
            let error = DbError::from(error);
            self.broken |= error.spoils_connection();
            error
        })
    }

    fn connection(&mut self) -> Result<&mut Connection, DbError> {
        self.slot.as_mut().ok_or(DbError::Unexpected("the connection was given up before its session ended"))
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if self.in_transaction || self.in_flight || self.broken {
            *self.slot = None;
        } else if let Some(connection) = self.slot.as_mut() {
            connection.last_used = Instant::now();
        }
    }
}
