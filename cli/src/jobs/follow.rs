//! Starting a run of a job, and following it until it ended.
//!
//! The function works on when nobody follows it: its row is all that there is to see, and it outlives whoever looks.

use std::time::Duration;

use anyhow::{Context as _, bail};
use ops::{JobRun, Operation, Outcome};
use serde_json::{Map, Value, json};
use shared::{clock, jobs::Job};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::stage::{self, Answering, Missing, Stage};

/// Between two looks at the run.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A function that has to start first, a database that is busy.
const BEGINS_WITHIN: Duration = Duration::from_mins(1);
/// What the tick needs to close a run that never ended, on top of the job's longest time.
const CLOSED_WITHIN: Duration = Duration::from_mins(3);
/// So many looks in a row may fail: the stage may be busy, or the network.
const MOST_FAILURES: u32 = 10;

/// A run that has begun.
pub struct Started {
    pub run: JobRun,
    longest: Duration,
    answering: Option<Answering>,
}

/// Runs a job, and returns its run when it ended, well or not. `on_progress` sees the run at each look.
pub async fn follow(
    stage: &Stage,
    job: &'static Job,
    arguments: Map<String, Value>,
    on_progress: impl FnMut(&JobRun),
) -> anyhow::Result<JobRun> {
    start(stage, job, arguments).await?.follow(stage, on_progress).await
}

/// Starts a run with arguments of the job's own, and returns when it is on record.
pub async fn start(stage: &Stage, job: &'static Job, arguments: Map<String, Value>) -> anyhow::Result<Started> {
    refuse_a_second(stage, job).await?;
    let id = clock::new_id();
    let mut event = arguments;
    event.insert("job".into(), json!(job.name));
    event.insert("run_id".into(), json!(id));
    event.insert("actor".into(), json!(stage.actor().await?));
    let mut answering = stage.begin(job, Value::Object(event)).await?;
    let until = Instant::now() + BEGINS_WITHIN;
    loop {
        if let Some(run) = look(stage, id).await? {
            return Ok(Started { run, longest: job.longest, answering });
        }
        if answering.as_ref().is_some_and(Answering::is_finished)
            && let Some(answer) = answering.take()
        {
            let answer = answer.await.context("the invocation came to nothing")??;
            if answer["outcome"] == "skipped" {
                bail!("another run of {} has just begun; `solo jobs runs --job {}` shows it", job.name, job.name);
            }
        } else if Instant::now() >= until {
            bail!(
                "the run {id} of {} has not begun within a minute: its function could not start, or reached no database, or \
                 another run was faster; `solo jobs runs --job {}` and the function's log say more",
                job.name,
                job.name
            );
        }
        sleep(LOOK_EVERY).await;
    }
}

impl Started {
    /// Looks at the run until it ended.
    pub async fn follow(self, stage: &Stage, mut on_progress: impl FnMut(&JobRun)) -> anyhow::Result<JobRun> {
        let Self { mut run, longest, answering: _answering } = self;
        let until = Instant::now() + longest + CLOSED_WITHIN;
        let mut failures = 0;
        loop {
            on_progress(&run);
            if run.finished_at.is_some() {
                return Ok(run);
            }
            if Instant::now() >= until {
                bail!("the run {} should have ended long ago, and nothing has closed it: does the tick run?", run.id);
            }
            sleep(LOOK_EVERY).await;
            match look(stage, run.id).await {
                Ok(Some(now)) => (run, failures) = (now, 0),
                Ok(None) => bail!("the run {} is not on record any more", run.id),
                Err(error) if failures >= MOST_FAILURES => {
                    return Err(error.context(format!("the run {} may go on; it cannot be looked at", run.id)));
                }
                Err(_) => failures += 1,
            }
        }
    }
}

/// The function would refuse it as well, but in the cloud nobody would hear of that.
async fn refuse_a_second(stage: &Stage, job: &Job) -> anyhow::Result<()> {
    let Outcome::Jobs(list) = stage.operate(Operation::ListJobs).await? else { bail!("{}", stage::UNEXPECTED) };
    let state = list.jobs.into_iter().find(|state| state.name == job.name);
    let state = state.with_context(|| format!("this stage has no job {}: deploy it once more", job.name))?;
    match state.last_run {
        Some(run) if state.state == "running" => {
            bail!("a run of {} is under way: `solo jobs show {}` shows it", job.name, run.id)
        }
        _ => Ok(()),
    }
}

/// The run, when it is on record.
async fn look(stage: &Stage, id: Uuid) -> anyhow::Result<Option<JobRun>> {
    match stage.operate(Operation::ShowJobRun { id }).await {
        Ok(Outcome::JobRun { run }) => Ok(Some(*run)),
        Ok(_) => bail!("{}", stage::UNEXPECTED),
        Err(error) if error.is::<Missing>() => Ok(None),
        Err(error) => Err(error),
    }
}
