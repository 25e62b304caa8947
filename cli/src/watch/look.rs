//! Which executions are looked at: the newest, and older ones that someone has just replayed. Those came in long ago, and are what
//! one watches for.

use std::{collections::HashMap, time::Duration};

use anyhow::bail;
use jiff::{SignedDuration, Timestamp};
use ops::{AuditEntry, AuditFilter, ExecutionDetail, ExecutionFilter, ExecutionSummary, Operation, Outcome};
use shared::clock;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    stage::{self, Stage},
    status::Part,
};

/// How many of the newest are looked at, and shown if there is room for them.
pub const NEWEST: u16 = 20;
/// How many replays are followed. Each is a request at each look, until it ended.
pub const FOLLOWED: u16 = 5;
/// And for how long, beside the time between two looks.
const FOLLOWED_FOR: SignedDuration = SignedDuration::from_mins(10);
const WITHIN: Duration = Duration::from_secs(5);

pub struct Seen {
    /// By when they came in, the newest first.
    pub newest: Vec<ExecutionSummary>,
    /// There are others that came in before them.
    pub older: bool,
    /// What is not among them and was replayed of late, the latest replay first.
    pub replayed: Vec<ExecutionSummary>,
    /// More was replayed than is followed.
    pub unfollowed: bool,
}

impl Seen {
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &ExecutionSummary> {
        self.replayed.iter().chain(&self.newest)
    }
}

/// An execution, and when it was replayed.
type Replay = (Uuid, Timestamp);

pub struct Replays {
    followed_for: SignedDuration,
    /// What has ended is not asked for again.
    ended: HashMap<Replay, ExecutionSummary>,
}

impl Replays {
    pub fn new(every: SignedDuration) -> Self {
        Self { followed_for: every.saturating_add(FOLLOWED_FOR), ended: HashMap::new() }
    }

    pub async fn look(&mut self, stage: &Stage) -> Part<Seen> {
        match timeout(WITHIN, self.ask(stage)).await {
            Ok(Ok(seen)) => Part::There(seen),
            Ok(Err(error)) => Part::Missing { problem: format!("{error:#}") },
            Err(_) => Part::Missing { problem: format!("no answer within {} s", WITHIN.as_secs()) },
        }
    }

    async fn ask(&mut self, stage: &Stage) -> anyhow::Result<Seen> {
        let newest = Operation::ListExecutions { filter: ExecutionFilter::default(), limit: NEWEST, after: None };
        let Outcome::Executions(page) = stage.operate(newest).await? else { bail!("{}", stage::UNEXPECTED) };
        let since = clock::now().checked_sub(self.followed_for)?;
        let filter = AuditFilter { operation: Some("replay".into()), since: Some(since), ..AuditFilter::default() };
        let audit = Operation::ListAudit { filter, limit: FOLLOWED, after: None };
        let Outcome::Audit(audit) = stage.operate(audit).await? else { bail!("{}", stage::UNEXPECTED) };
        let replays = elsewhere(&audit.entries, &page.executions);
        self.ended.retain(|replay, _| replays.contains(replay));
        let mut replayed = Vec::new();
        for replay in replays {
            replayed.extend(self.summary(stage, replay).await?);
        }
        Ok(Seen { newest: page.executions, older: page.next.is_some(), replayed, unfollowed: audit.next.is_some() })
    }

    /// `None` when it is not on record any more.
    async fn summary(&mut self, stage: &Stage, replay: Replay) -> anyhow::Result<Option<ExecutionSummary>> {
        if let Some(ended) = self.ended.get(&replay) {
            return Ok(Some(ended.clone()));
        }
        let summary = match stage.operate(Operation::ShowExecution { id: replay.0 }).await {
            Ok(Outcome::Execution(detail)) => {
                let ExecutionDetail { summary, .. } = *detail;
                summary
            }
            Ok(_) => bail!("{}", stage::UNEXPECTED),
            Err(error) if error.is::<stage::Missing>() => return Ok(None),
            Err(error) => return Err(error),
        };
        if matches!(summary.status.as_str(), "completed" | "dead") {
            self.ended.insert(replay, summary.clone());
        }
        Ok(Some(summary))
    }
}

/// The replays of what is not among the newest; of each its latest, which comes first.
pub(super) fn elsewhere(entries: &[AuditEntry], newest: &[ExecutionSummary]) -> Vec<Replay> {
    let mut replays: Vec<Replay> = Vec::new();
    for entry in entries {
        let Ok(id) = entry.subject.parse() else { continue };
        if newest.iter().all(|it| it.id != id) && replays.iter().all(|(other, _)| *other != id) {
            replays.push((id, entry.at));
        }
    }
    replays
}
