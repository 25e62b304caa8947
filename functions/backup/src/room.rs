//! Whether a copy of the database fits on the server's disk. A full disk stops the service, so a drill is refused before it could
//! fill it.
//!
//! A client of PostgreSQL cannot see how much is free. It sees the sizes of the databases that it may enter; what else is there (the
//! log of changes, databases of others) has to do with what is kept free.

use shared::db::{Credentials, DatabaseUrl, connect_for_maintenance};
use tokio_postgres::{Client, error::SqlState};

use crate::{
    manifest::Manifest,
    restore::{RestoreError, database_error},
};

const GB: u64 = 1 << 30;
/// For everything that is not in a database.
const KEPT_FREE: u64 = 4 * GB;

/// `server` leads to the database in service.
pub(crate) async fn check(server: &DatabaseUrl, manifest: &Manifest, storage_gb: u64) -> Result<(), RestoreError> {
    let client = connect_for_maintenance(server.clone(), Credentials::Url).await?;
    let (used, service) = sizes(&client).await?;
    // After a loss, the database in service says nothing of what is restored.
    let copied = service.max(manifest.archive.plain_bytes);
    let need = copied.saturating_add(copied.saturating_mul(3) / 10);
    let have = storage_gb.saturating_mul(GB).saturating_sub(KEPT_FREE);
    if used.saturating_add(need) <= have {
        return Ok(());
    }
    Err(RestoreError::NoRoom { used: in_gb(used), need: in_gb(need), storage_gb, kept_free: in_gb(KEPT_FREE) })
}

/// Of all databases that may be seen, and of this one.
async fn sizes(client: &Client) -> Result<(u64, u64), RestoreError> {
    const SEEN: &str = "SELECT oid, datname = current_database() FROM pg_database
                         WHERE has_database_privilege(oid, 'CONNECT')";
    let failed = |source: tokio_postgres::Error| database_error("asking for the sizes of the databases", &source);
    let (mut all, mut this) = (0_u64, 0);
    for row in client.query(SEEN, &[]).await.map_err(failed)? {
        let size = client.query_one("SELECT coalesce(pg_database_size($1::oid), 0)", &[&row.get::<_, u32>(0)]).await;
        let size = match size {
            Ok(size) => u64::try_from(size.get::<_, i64>(0)).unwrap_or_default(),
            // Dropped meanwhile.
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_DATABASE) => 0,
            Err(error) => return Err(failed(error)),
        };
        all = all.saturating_add(size);
        if row.get(1) {
            this = size;
        }
    }
    Ok((all, this))
}

#[allow(clippy::cast_precision_loss, reason = "for a person")]
fn in_gb(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / GB as f64)
}
