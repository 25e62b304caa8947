//! Looks whether things are as they should be, and says so: the jobs `reconcile`, `drift` and `review`.
//!
//! | job | when | looks at | tells |
//! |---|---|---|---|
//! | `reconcile` | daily | the app's invariants | `reconciliation_failure:<name>` |
//! | `drift` | weekly | the database's schema | `schema_drift` |
//! | `review` | monthly | what to rotate, prune and mend | `operations_review`, and a row in `reviews` |
//!
//! Reading is done as the role that may only read, in READ ONLY transactions; records and alerts are written as the functions'
//! role. Deliberately absent: mending anything.

mod drift;
mod invariants;
mod reader;
mod review;

pub use drift::Drift;
pub use invariants::{Checked, Violation};
pub use review::{Reviewed, digest};

use jiff::Timestamp;
use lambda_runtime::Error;
use serde_json::Value;
use shared::{
    clock,
    config::{Env, Faults},
    db::ConnectError,
    invariants::Invariant,
    jobs::{self, Job, Platform, Progress},
    secrets::SecretsManager,
};
use tokio::time::Instant;

use reader::Reader;

/// What this function needs to know at start.
#[derive(Clone, Debug)]
pub struct Settings {
    pub platform: jobs::Settings,
    /// `READER_LOGIN_SECRET_ID`: the login that may only read.
    pub reader_secret_id: String,
    /// `APP_SECRET_ID`: the secret whose age the review tells. Its value is not read.
    pub app_secret_id: String,
}

impl Settings {
    pub fn load(env: &Env) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let platform = jobs::Settings::read(env, &mut faults);
        let reader = "the name or ARN of the login that may only read";
        let reader_secret_id = env.required("READER_LOGIN_SECRET_ID", reader, &mut faults);
        let app_secret_id = env.required("APP_SECRET_ID", "the name or ARN of the app's secret", &mut faults);
        match (platform, reader_secret_id, app_secret_id) {
            (Some(platform), Some(reader_secret_id), Some(app_secret_id)) => {
                faults.into_result(Self { platform, reader_secret_id, app_secret_id })
            }
            _ => Err(faults),
        }
    }
}

/// What one environment holds from init on.
pub struct Reconcile {
    platform: Platform,
    reader: Reader,
    secrets: SecretsManager,
    app_secret_id: String,
    invariants: &'static [Invariant],
}

impl Reconcile {
    /// Nothing is called yet.
    pub async fn new(settings: Settings) -> Result<Self, ConnectError> {
        Self::with(settings, app::invariants::ALL).await
    }

    /// With other invariants than the app's.
    pub async fn with(settings: Settings, invariants: &'static [Invariant]) -> Result<Self, ConnectError> {
        let url = settings.platform.database.url.clone();
        let platform = Platform::new(settings.platform).await?;
        let reader = Reader::new(url, settings.reader_secret_id, &platform.secrets);
        let secrets = SecretsManager::new(&platform.aws);
        Ok(Self { platform, reader, secrets, app_secret_id: settings.app_secret_id, invariants })
    }

    /// One invocation: `{"job": ...}`. `deadline` is the Lambda context's.
    pub async fn invoke(&self, event: Value, deadline: u64) -> Result<Value, Error> {
        let known = ["reconcile", "drift", "review"];
        let now = clock::now();
        self.platform
            .invoke(&event, &known, deadline, async |job, progress, deadline| {
                // Boxed: what the compiler has to lay out here is deep enough.
                Box::pin(self.work(job, progress, deadline, now)).await
            })
            .await
    }

    async fn work(
        &self,
        job: &Job,
        progress: &Progress<'_>,
        deadline: Instant,
        now: Timestamp,
    ) -> Result<Value, String> {
        let done = match job.name {
            "reconcile" => serde_json::to_value(invariants::run(self, progress, deadline).await?),
            "drift" => serde_json::to_value(drift::run(self, progress).await?),
            _ => serde_json::to_value(review::run(self, now).await?),
        };
        done.map_err(|error| error.to_string())
    }
}
