//! Pages: at most 200 of anything, and where the next ones begin.

use jiff::Timestamp;
use shared::db::DbError;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::Cursor;

/// The largest page.
pub(crate) const MOST: u16 = 200;

/// How a list is cut into pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paging {
    limit: usize,
    after: Option<Cursor>,
}

impl Paging {
    pub(crate) fn new(limit: u16, after: Option<Cursor>) -> Self {
        Self { limit: usize::from(limit.clamp(1, MOST)), after }
    }

    pub(crate) fn after_time(&self) -> Option<Timestamp> {
        self.after.map(|cursor| cursor.at)
    }

    pub(crate) fn after_id(&self) -> Option<Uuid> {
        self.after.map(|cursor| cursor.id)
    }

    /// One more than asked for: it tells whether there is a next page.
    pub(crate) fn fetch(&self) -> i64 {
        i64::try_from(self.limit + 1).unwrap_or(i64::MAX)
    }

    /// The rows of this page, and the next one's beginning. `cursor` tells a row's place.
    pub(crate) fn cut<T>(
        &self,
        rows: &[Row],
        read: fn(&Row) -> Result<T, DbError>,
        cursor: fn(&T) -> Cursor,
    ) -> Result<(Vec<T>, Option<Cursor>), DbError> {
        let items = rows.iter().take(self.limit).map(read).collect::<Result<Vec<_>, _>>()?;
        let next = items.last().filter(|_| rows.len() > self.limit).map(cursor);
        Ok((items, next))
    }
}
