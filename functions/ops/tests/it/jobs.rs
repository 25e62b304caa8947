//! Jobs and their runs.

use jiff::Timestamp;
use ops::{Cursor, JobRun, JobState, Operation, Outcome};
use shared::jobs;
use uuid::Uuid;

use crate::support::World;

async fn states(world: &World) -> Vec<JobState> {
    match world.ask(Operation::ListJobs).await {
        Outcome::Jobs(list) => list.jobs,
        other => panic!("{other:?}"),
    }
}

async fn state(world: &World, job: &str) -> JobState {
    states(world).await.into_iter().find(|state| state.name == job).unwrap()
}

async fn runs(world: &World, job: Option<&str>, limit: u16, after: Option<Cursor>) -> (Vec<JobRun>, Option<Cursor>) {
    match world.ask(Operation::ListJobRuns { job: job.map(Into::into), limit, after }).await {
        Outcome::JobRuns(page) => (page.runs, page.next),
        other => panic!("{other:?}"),
    }
}

/// The tick has looked at all jobs.
async fn watched(world: &World) {
    let mut session = world.runner.session().await.unwrap();
    jobs::watch(&mut session, jobs::ALL, Timestamp::UNIX_EPOCH).await.unwrap();
}

/// A run that began so many minutes ago, and how it ended.
async fn ran(world: &World, job: &str, minutes_ago: u32, outcome: Option<&str>) -> Uuid {
    let id = Uuid::new_v4();
    let (finished, outcome) = match outcome {
        Some(outcome) => ("now()", format!("'{outcome}'")),
        None => ("NULL", "NULL".into()),
    };
    let error = if outcome == "'succeeded'" || outcome == "NULL" { "NULL" } else { "'no luck'" };
    world
        .kept
        .execute(&format!(
            "INSERT INTO job_runs (id, job, started_at, stuck_at, finished_at, outcome, error)
             SELECT '{id}', '{job}', began, began + interval '16 minutes', {finished}, {outcome}, {error}
               FROM (SELECT now() - interval '{minutes_ago} minutes' AS began) b"
        ))
        .await;
    id
}

#[tokio::test]
async fn every_job_is_listed_even_before_the_first_tick() {
    let world = World::new().await;
    let all = states(&world).await;
    let names: Vec<_> = all.iter().map(|state| state.name.as_str()).collect();
    assert_eq!(names, jobs::ALL.iter().map(|job| job.name).collect::<Vec<_>>());
    assert!(all.iter().all(|state| state.state == "never_ran" && !state.late && state.due_at.is_none()), "{all:?}");
    let backup = &all[1];
    assert_eq!((backup.function.as_str(), backup.period_seconds, backup.grace_seconds), ("Backup", 86_400, 7_200));
}

#[tokio::test]
async fn a_state_says_what_matters_most() {
    let world = World::new().await;
    watched(&world).await;
    let success =
        "UPDATE jobs SET last_success_at = now() - interval '1 hour', watched_since = now() - interval '1 year'
                    WHERE name = 'backup'";
    world.kept.execute(success).await;
    let on_time = state(&world, "backup").await;
    assert_eq!((on_time.state.as_str(), on_time.late, on_time.last_run), ("on_time", false, None));
    let due_in = on_time.due_at.unwrap().duration_since(on_time.last_success_at.unwrap());
    assert_eq!(due_in.as_hours(), 24);

    ran(&world, "backup", 5, Some("failed")).await;
    assert_eq!(state(&world, "backup").await.state, "failed");
    ran(&world, "backup", 4, Some("stuck")).await;
    assert_eq!(state(&world, "backup").await.state, "stuck");
    let running = ran(&world, "backup", 3, None).await;
    let now = state(&world, "backup").await;
    assert_eq!((now.state.as_str(), now.last_run.unwrap().id), ("running", running));
    world.kept.execute("UPDATE job_runs SET stuck_at = now() - interval '1 s' WHERE finished_at IS NULL").await;
    assert_eq!(state(&world, "backup").await.state, "stuck", "the tick has not closed it yet");

    ran(&world, "drill", 5, Some("failed")).await;
    world
        .kept
        .execute("UPDATE jobs SET last_success_at = now() - interval '95 days', watched_since = now() - interval '1 year' WHERE name IN ('drill', 'prune')")
        .await;
    let drill = state(&world, "drill").await;
    assert_eq!((drill.state.as_str(), drill.late), ("failed", true));
    let prune = state(&world, "prune").await;
    assert_eq!((prune.state.as_str(), prune.late), ("late", true));
    assert_eq!(state(&world, "cleanup").await.state, "never_ran");

    world.kept.execute("UPDATE jobs SET watched_since = now() WHERE name = 'prune'").await;
    let prune = state(&world, "prune").await;
    assert_eq!((prune.state.as_str(), prune.late), ("on_time", false), "it is watched from now on");
}

/// The function's answer has 6 MB at most.
#[tokio::test]
async fn what_is_long_is_shown_and_not_listed() {
    let world = World::new().await;
    watched(&world).await;
    let run = ran(&world, "drift", 5, Some("succeeded")).await;
    let of = async |length: u32| {
        world
            .kept
            .execute(&format!("UPDATE job_runs SET progress = to_jsonb(repeat('x', {length})), result = to_jsonb(repeat('y', {length}))"))
            .await;
        let listed = runs(&world, None, 20, None).await.0.remove(0);
        let last = state(&world, "drift").await.last_run.unwrap();
        assert_eq!(listed, last);
        let Outcome::JobRun { run } = world.ask(Operation::ShowJobRun { id: run }).await else { panic!("a run") };
        assert!(run.progress.is_some() && run.result.is_some());
        (listed.progress.is_some(), listed.result.is_some())
    };
    // With its quotes.
    assert_eq!(of(3_998).await, (true, true));
    assert_eq!(of(3_999).await, (false, false));
}

#[tokio::test]
async fn runs_are_listed_newest_first_in_pages_and_shown() {
    let world = World::new().await;
    let old = ran(&world, "backup", 30, Some("succeeded")).await;
    let other = ran(&world, "prune", 20, Some("failed")).await;
    let new = ran(&world, "backup", 10, None).await;
    world.kept.execute(&format!("UPDATE job_runs SET progress = '{{\"phase\": \"dump\"}}' WHERE id = '{new}'")).await;

    let (first, next) = runs(&world, None, 2, None).await;
    assert_eq!(first.iter().map(|run| run.id).collect::<Vec<_>>(), [new, other]);
    let (rest, end) = runs(&world, None, 2, next).await;
    assert_eq!((rest.len(), rest[0].id, end), (1, old, None));
    let (backups, _) = runs(&world, Some("backup"), 20, None).await;
    assert_eq!(backups.iter().map(|run| run.id).collect::<Vec<_>>(), [new, old]);

    let Outcome::JobRun { run } = world.ask(Operation::ShowJobRun { id: new }).await else { panic!("a run") };
    assert_eq!((run.outcome, run.progress.unwrap()["phase"].as_str()), (None, Some("dump")));
    let Outcome::JobRun { run } = world.ask(Operation::ShowJobRun { id: other }).await else { panic!("a run") };
    assert_eq!((run.outcome.as_deref(), run.error.as_deref()), (Some("failed"), Some("no luck")));
    assert!(matches!(world.ask(Operation::ShowJobRun { id: Uuid::nil() }).await, Outcome::NotFound { .. }));
}
