//! A stage with some executions, brought about by the platform's own statements.

use std::time::Duration;

use ops::{Answer, By, Changes, Environment, Operation, Outcome, Replay, ReplayFilter, Request, perform};
use serde_json::json;
use shared::{
    aws::Services,
    db::{Credentials, Database, Session},
    errors::Kind,
    events::Envelope,
    executions::{self, Claim, Failure, Owned, Settled, Terms},
    inbox::{self, Message},
    retry::RetryPolicy,
};
use testkit::{TestDatabase, TestQueues, TestSecrets};
use uuid::Uuid;

pub struct World {
    pub kept: TestDatabase,
    pub queues: TestQueues,
    pub ops: Environment,
    /// A runner's connection.
    pub runner: Database,
}

pub const TERMS: Terms = Terms { lease: Duration::from_mins(1), max_attempts: 3, rerun_after_crash: true };

impl World {
    pub async fn new() -> Self {
        let kept = TestDatabase::new().await;
        let queues = TestQueues::create().await;
        let ops = environment(&kept, &queues).await;
        let runner = Database::new(kept.app_url(), Credentials::Url, &[]).unwrap();
        Self { kept, queues, ops, runner }
    }

    /// Another environment of the ops function, on the same database.
    pub async fn other_ops(&self) -> Environment {
        environment(&self.kept, &self.queues).await
    }

    pub async fn ask(&self, operation: Operation) -> Outcome {
        ask(&self.ops, operation).await
    }

    pub async fn change(&self, operation: Operation) -> Changes {
        changes(self.ask(operation).await)
    }

    pub async fn claim(&self, session: &mut Session<'_>, key: &str) -> Owned {
        match executions::claim(session, &event(key), "record_payment", TERMS).await.unwrap() {
            Claim::Owned(owned) => owned,
            Claim::Existing(existing) => panic!("{existing:?}"),
        }
    }

    pub async fn processing(&self, key: &str) -> Owned {
        self.claim(&mut self.runner.session().await.unwrap(), key).await
    }

    pub async fn completed(&self, key: &str) -> Uuid {
        let mut session = self.runner.session().await.unwrap();
        let owned = self.claim(&mut session, key).await;
        session.begin().await.unwrap();
        executions::finish(&mut session, &owned).await.unwrap();
        owned.id
    }

    /// Failed, with another attempt to come, or `permanent`ly.
    pub async fn failed(&self, key: &str, permanent: bool) -> Uuid {
        let mut session = self.runner.session().await.unwrap();
        let owned = self.claim(&mut session, key).await;
        let failure =
            Failure { kind: Kind::Handler, error: "no luck".into(), told: None, permanent, retry_after: None };
        executions::fail(&mut session, &owned, &failure, &RetryPolicy::default(), 0.5).await.unwrap().unwrap();
        owned.id
    }

    pub async fn dead(&self, key: &str) -> Uuid {
        self.failed(key, true).await
    }

    pub async fn unhandled(&self, key: &str) -> Uuid {
        let mut session = self.runner.session().await.unwrap();
        match executions::settle(&mut session, &event(key), Settled::Unhandled).await.unwrap() {
            Claim::Owned(owned) => owned.id,
            Claim::Existing(existing) => panic!("{existing:?}"),
        }
    }

    /// How often the worker was woken since it was last asked.
    pub async fn wakes(&self) -> usize {
        // A wake-up is on its way for a second.
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        let messages = self.queues.inbox().await;
        messages.iter().filter(|message| matches!(inbox::decode(&message.body), Ok(Message::Wake))).count()
    }

    /// `status`, generation and attempt: `failed 2 0`.
    pub async fn state(&self, id: Uuid) -> String {
        let sql = format!("SELECT concat_ws(' ', status, generation, attempt) FROM executions WHERE id = '{id}'");
        self.kept.text(&sql).await
    }

    pub async fn open_alerts(&self) -> i64 {
        self.kept.count("SELECT count(*) FROM alerts WHERE resolved_at IS NULL").await
    }

    pub async fn audited(&self, operation: &str) -> i64 {
        let who = "actor = 'ada' AND reason = 'the fix is out'";
        self.kept.count(&format!("SELECT count(*) FROM audit WHERE operation = '{operation}' AND {who}")).await
    }
}

/// It logs in with a secret, as in the cloud, where no URL has a password.
async fn environment(database: &TestDatabase, queues: &TestQueues) -> Environment {
    let services = Services::from_env(&queues.config).await;
    let login = Credentials::new(Some(TestSecrets::app_login().await.id), &services.secrets);
    let database = Database::new(database.app_url().with_user("nobody", None), login, &[]).unwrap();
    Environment { database, inbox: services.inbox }
}

pub async fn ask(environment: &Environment, operation: Operation) -> Outcome {
    let request = serde_json::to_value(Request::from(operation)).unwrap();
    let answer = perform(environment, request).await;
    // Through its wire form, as the CLI gets it.
    serde_json::from_value::<Answer>(serde_json::to_value(answer).unwrap()).unwrap().outcome
}

pub fn changes(outcome: Outcome) -> Changes {
    match outcome {
        Outcome::Changed(changes) => changes,
        other => panic!("{other:?}"),
    }
}

pub fn refusal(outcome: Outcome) -> String {
    match outcome {
        Outcome::Refused { error } => error,
        other => panic!("{other:?}"),
    }
}

pub fn by() -> By {
    By { actor: "ada".into(), reason: "the fix is out".into() }
}

pub fn event(key: &str) -> Envelope {
    let data = json!({"n": key});
    Envelope::new("stripe", key, "invoice.paid", 1, data.clone(), data.to_string().as_bytes()).unwrap()
}

/// A replay of these ids.
pub fn replay(ids: &[Uuid]) -> Replay {
    replay_of(ReplayFilter { ids: ids.to_vec(), ..ReplayFilter::default() })
}

pub fn replay_of(what: ReplayFilter) -> Replay {
    Replay { what, completed: false, unhandled: false, dry_run: false, confirmed: 0, by: by() }
}

/// The codes of what was skipped, in order.
pub fn codes(changes: &Changes) -> Vec<&str> {
    let mut codes: Vec<_> = changes.skipped.iter().map(|skipped| skipped.code.as_str()).collect();
    codes.sort_unstable();
    codes
}
