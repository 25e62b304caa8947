//! The job `prune`: removes what retention does not keep, and what failed backups left behind.
//!
//! A manifest goes before its archive: killed in between, it leaves an archive without a manifest, which goes with the first
//! pruning that finds it older than two days. While retention holds everything back, archives without a manifest stay, too: if someone lost the manifests, they are all
//! that there is. What is broken in another way is left to a person: when everything else is done, the run fails, with its names.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::clock;

use crate::{
    Backup,
    retention::{self, Made},
    store::{self, Broken, Store, StoreError},
};

/// No backup takes longer. (A function runs for 15 minutes at most.)
const ORPHANED_AFTER: SignedDuration = SignedDuration::from_hours(48);
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    pub kept: usize,
    pub removed: Vec<String>,
    pub orphans_removed: usize,
    pub uploads_aborted: usize,
    /// Why nothing was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_back: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<Broken>,
}

impl Backup {
    pub(crate) async fn prune(&self) -> Result<Done, lambda_runtime::Error> {
        let done = prune(&self.store, self.last_backup_failed().await?, clock::now()).await?;
        if done.broken.is_empty() {
            return Ok(done);
        }
        let Done { kept, removed, .. } = &done;
        let said = store::in_words(&done.broken);
        Err(format!("pruning is done ({kept} stay, {} were removed), and some are no backups: {said}", removed.len())
            .into())
    }

    /// Whether the newest run of the backup came to nothing: of those that are over, or should be.
    async fn last_backup_failed(&self) -> Result<bool, lambda_runtime::Error> {
        const LAST: &str = "SELECT outcome IS DISTINCT FROM 'succeeded' FROM job_runs
                             WHERE job = 'backup' AND (finished_at IS NOT NULL OR stuck_at < now()) ORDER BY started_at DESC, id DESC LIMIT 1";
        let rows = self.platform.database.session().await?.query(LAST, &[]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }
}

/// `last_failed`: whether the last run of the backup failed.
pub async fn prune(store: &Store, last_failed: bool, now: Timestamp) -> Result<Done, StoreError> {
    let listing = store.list().await?;
    for broken in &listing.broken {
        tracing::warn!(id = broken.id, problem = broken.problem, "this is no backup");
    }
    let made: Vec<_> = listing.backups.iter().map(Made::from).collect();
    let plan = retention::plan(&made, last_failed, now);
    let mut done = Done { kept: plan.keep.len(), held_back: plan.held_back, broken: listing.broken, ..Done::default() };
    for id in plan.remove {
        store.delete(&store::manifest_key(&id)).await?;
        store.delete(&store::archive_key(&id)).await?;
        tracing::info!(id, "removed a backup");
        done.removed.push(id);
    }
    let old = listing.orphans.iter().filter(|orphan| now.duration_since(orphan.at) > ORPHANED_AFTER);
    for orphan in old.filter(|_| done.held_back.is_none()) {
        store.delete(&orphan.key).await?;
        tracing::info!(key = orphan.key, "removed an archive without a manifest");
        done.orphans_removed += 1;
    }
    for (upload, id) in store.uploads().await? {
        if now.duration_since(upload.at) > ABANDONED_AFTER {
            store.abort(&upload.key, &id).await?;
            tracing::info!(key = upload.key, "aborted an upload that nobody completed");
            done.uploads_aborted += 1;
        }
    }
    Ok(done)
}
