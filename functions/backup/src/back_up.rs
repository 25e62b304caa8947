//! The job `backup`: a dump as `solo_reader`, who may read everything and change nothing.

use shared::{
    db::{Credentials, DbError},
    jobs::Progress,
    secrets::SecretsError,
};
use tokio::time::Instant;

use crate::{
    Backup,
    dump::{self, Dump, DumpError, Taken},
    pace,
    programs::{Programs, ProgramsError},
    upload::Bucket,
};

#[derive(Debug, thiserror::Error)]
pub enum BackUpError {
    #[error("READER_LOGIN_SECRET_ID is not set: it names the secret with the login of solo_reader, who makes the dump")]
    NoReader,
    #[error(transparent)]
    Secret(#[from] SecretsError),
    #[error("what the last backups left on record cannot be read: {0}")]
    Database(#[from] DbError),
    #[error(transparent)]
    Programs(#[from] ProgramsError),
    #[error(transparent)]
    Dump(#[from] DumpError),
}

impl Backup {
    /// A person who asks for it (`by_hand`) is not refused by an estimate: trying is how a pace is measured anew.
    pub(crate) async fn back_up(
        &self,
        by_hand: bool,
        progress: &Progress<'_>,
        deadline: Instant,
    ) -> Result<Taken, BackUpError> {
        let secret = self.settings.reader_secret_id.clone().ok_or(BackUpError::NoReader)?;
        let login = Credentials::new(Some(secret), &self.platform.secrets);
        let dump = Dump {
            url: login.complete(&self.settings.platform.database.url).await?,
            programs: self.programs().await?,
            bucket: &Bucket::new(&self.platform.aws, self.settings.bucket.clone(), self.settings.patience),
            release: self.settings.release.clone(),
            pace: if by_hand { None } else { pace::measured(&self.platform.database).await? },
            deadline,
        };
        Ok(dump::take(&dump, async |far| progress.tell(&far).await).await?)
    }

    /// Found, or extracted, once in an environment.
    pub(crate) async fn programs(&self) -> Result<&Programs, ProgramsError> {
        self.programs.get_or_try_init(|| Programs::find(self.settings.programs.as_deref())).await
    }
}
