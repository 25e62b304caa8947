//! One invocation of the function: its settings, and which job does what.

use std::path::PathBuf;

use lambda_runtime::Error;
use serde_json::Value;
use shared::{
    clock,
    config::{Env, Faults},
    db::{ConnectError, Credentials, DatabaseUrl},
    jobs::{self, Platform, Progress},
};
use tokio::{
    sync::{OnceCell, watch},
    time::Instant,
};
use uuid::Uuid;

use crate::{
    drill::{self, Drill},
    programs::{Programs, ProgramsError},
    prune::{self, prune},
    restore::Step,
    store::Store,
};

/// What this function needs to know at start.
#[derive(Clone, Debug)]
pub struct Settings {
    pub platform: jobs::Settings,
    /// `BACKUPS_BUCKET`.
    pub bucket: String,
    /// `READER_LOGIN_SECRET_ID`: the login that dumps. Only the backup needs it.
    pub reader_secret_id: Option<String>,
    /// `RESTORER_LOGIN_SECRET_ID`: the login that restores. Only the drill needs it.
    pub restorer_secret_id: Option<String>,
    /// `PG_PROGRAMS`: a directory with `pg_dump` and `pg_restore`, in place of the built-in ones.
    pub programs: Option<PathBuf>,
}

impl Settings {
    pub fn load(env: &Env) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let platform = jobs::Settings::read(env, &mut faults);
        let bucket = env.required("BACKUPS_BUCKET", "the name of the bucket of backups", &mut faults);
        let (Some(platform), Some(bucket)) = (platform, bucket) else { return Err(faults) };
        faults.into_result(Self {
            platform,
            bucket,
            reader_secret_id: env.optional("READER_LOGIN_SECRET_ID"),
            restorer_secret_id: env.optional("RESTORER_LOGIN_SECRET_ID"),
            programs: env.optional("PG_PROGRAMS").map(PathBuf::from),
        })
    }
}

/// What one environment holds from init on.
pub struct Backup {
    platform: Platform,
    settings: Settings,
    store: Store,
    programs: OnceCell<Programs>,
}

impl Backup {
    /// Nothing is called yet.
    pub async fn new(settings: Settings) -> Result<Self, ConnectError> {
        let platform = Platform::new(settings.platform.clone()).await?;
        let store = Store::new(&platform.aws, &settings.bucket);
        Ok(Self { platform, settings, store, programs: OnceCell::new() })
    }

    /// One invocation: `{"job": ...}`. `deadline` is the Lambda context's.
    pub async fn invoke(&self, event: Value, deadline: u64) -> Result<Value, Error> {
        let known = ["backup", "prune", "drill"];
        self.platform
            .invoke(&event, &known, deadline, async |job, progress, deadline| -> Result<Value, Error> {
                // In boxes: all of these together are more than the compiler lays out as one.
                match job.name {
                    "prune" => Ok(serde_json::to_value(Box::pin(self.prune()).await?)?),
                    "drill" => Ok(serde_json::to_value(Box::pin(self.drill(&event, progress, deadline)).await?)?),
                    _ => Err(format!("{} is not there yet", job.name).into()),
                }
            })
            .await
    }

    async fn prune(&self) -> Result<prune::Done, Error> {
        Ok(prune(&self.store, self.last_backup_failed().await?, clock::now()).await?)
    }

    /// Whether the newest run of the backup that is over came to nothing.
    async fn last_backup_failed(&self) -> Result<bool, Error> {
        const LAST: &str = "SELECT outcome <> 'succeeded' FROM job_runs
                             WHERE job = 'backup' AND finished_at IS NOT NULL ORDER BY started_at DESC, id DESC LIMIT 1";
        let rows = self.platform.database.session().await?.query(LAST, &[]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    async fn drill(&self, event: &Value, progress: &Progress<'_>, deadline: Instant) -> Result<drill::Done, Error> {
        let arguments: drill::Arguments = serde_json::from_value(event.clone())?;
        let server = self.login(self.settings.restorer_secret_id.as_ref(), "RESTORER_LOGIN_SECRET_ID").await?;
        let (step, mut steps) = watch::channel(Step::default());
        let work = Drill { programs: self.programs().await?, store: &self.store, server: &server, deadline };
        let unique = u32::from_be_bytes(Uuid::new_v4().into_bytes()[..4].try_into()?);
        let mut drilling = Box::pin(work.run(&arguments, clock::now(), unique, &step));
        let telling = async {
            while steps.changed().await.is_ok() {
                let now = *steps.borrow_and_update();
                progress.tell(&now).await;
            }
        };
        tokio::select! {
            done = &mut drilling => Ok(done?),
            // Nobody says anything any more; that is not the end.
            () = telling => Ok(drilling.await?),
        }
    }

    /// The stage's database, as another role than that of the records.
    async fn login(&self, secret_id: Option<&String>, variable: &str) -> Result<DatabaseUrl, Error> {
        let Some(id) = secret_id else {
            return Err(format!("{variable} is not set: this function is not the one that does this").into());
        };
        let login = Credentials::new(Some(id.clone()), &self.platform.secrets);
        Ok(login.complete(&self.settings.platform.database.url).await?)
    }

    async fn programs(&self) -> Result<&Programs, ProgramsError> {
        self.programs.get_or_try_init(|| Programs::find(self.settings.programs.as_deref())).await
    }
}
