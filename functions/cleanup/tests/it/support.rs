//! A database with things of any age in it.

use std::time::Duration;

use cleanup::{Cleaned, clean};
use shared::{
    config::Retention,
    db::{Credentials, Database},
};
use testkit::TestDatabase;
use tokio::time::Instant;
use uuid::Uuid;

pub struct World {
    pub kept: TestDatabase,
    /// As the function connects.
    pub app: Database,
}

impl World {
    pub async fn new() -> Self {
        let kept = TestDatabase::new().await;
        let app = Database::new(kept.app_url(), Credentials::Url, &[]).unwrap();
        Self { kept, app }
    }

    /// Another environment of the function.
    pub fn other_app(&self) -> Database {
        Database::new(self.kept.app_url(), Credentials::Url, &[]).unwrap()
    }

    pub async fn clean(&self) -> Cleaned {
        // For a machine that does other things as well: batches make room for whoever else is there.
        let deadline = Instant::now() + Duration::from_mins(5);
        clean(&self.app, &Retention::default(), deadline, async |_| {}).await.unwrap()
    }

    /// A run whose time is up after so many batches (or after 3 s, on a slow machine).
    pub async fn clean_some(&self, batches: u64) -> Cleaned {
        // Nothing begins in the last 10 s.
        let (last_begin, retention) = (Instant::now() + Duration::from_secs(3), Retention::default());
        let tell = async |so_far: &Cleaned| {
            if so_far.batches == batches {
                tokio::time::sleep_until(last_begin).await;
            }
        };
        clean(&self.app, &retention, last_begin + Duration::from_secs(10), tell).await.unwrap()
    }

    /// An execution with one attempt on record. `state`: a status, `unhandled`, or `resolved`. It came, and was settled, so
    /// long ago.
    pub async fn execution(&self, state: &str, age: &str) -> Uuid {
        self.execution_of(state, age, age).await
    }

    /// The same; it came `received` ago.
    pub async fn execution_of(&self, state: &str, received: &str, settled: &str) -> Uuid {
        let id = Uuid::now_v7();
        self.kept.execute(&insert(state, received, settled, &format!("'{id}'::uuid"), 1)).await;
        id
    }

    /// Many completed ones, with their attempts.
    pub async fn completed(&self, count: u32, age: &str) {
        self.kept.execute(&insert("completed", age, age, "gen_random_uuid()", count)).await;
        self.kept.execute("ANALYZE executions, attempts").await;
    }

    /// `payload`, `cleared`, or `gone`.
    pub async fn left(&self, id: Uuid) -> String {
        let sql = format!(
            "SELECT COALESCE((SELECT CASE WHEN payload IS NULL THEN 'cleared' ELSE 'payload' END
                                FROM executions WHERE id = '{id}'), 'gone')"
        );
        self.kept.text(&sql).await
    }
}

fn insert(state: &str, received: &str, settled: &str, id: &str, count: u32) -> String {
    let status = match state {
        "unhandled" => "completed",
        "resolved" => "dead",
        status => status,
    };
    format!(
        "WITH new AS (
             INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt, fence,
                                     payload, fingerprint, correlation_id, received_at, started_at, lease_until, next_attempt_at,
                                     finished_at, resolved_at, last_error)
             SELECT {id}, 'stripe', 'evt_' || gen_random_uuid(), 'invoice.paid', 1, NULLIF('h', '{state_handler}'), '{status}', 1, 1,
                    jsonb_build_object('n', n), sha256('x'), 'c', now() - interval '{received}', now() - interval '{received}',
                    CASE '{status}' WHEN 'processing' THEN now() - interval '{settled}' END,
                    CASE '{status}' WHEN 'failed' THEN now() - interval '{settled}' END,
                    CASE WHEN '{state}' = 'resolved' THEN now() - interval '{received}'
                         WHEN '{status}' IN ('completed', 'dead') THEN now() - interval '{settled}' END,
                    CASE '{state}' WHEN 'resolved' THEN now() - interval '{settled}' END,
                    CASE WHEN '{status}' IN ('failed', 'dead') THEN 'no luck' END
               FROM generate_series(1, {count}) n
             RETURNING id
         )
         INSERT INTO attempts (execution_id, fence, attempt, started_at, finished_at, outcome)
         SELECT id, 1, 1, now(), now(), 'completed' FROM new",
        state_handler = if state == "unhandled" { "h" } else { "" },
    )
}
