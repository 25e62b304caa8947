//! What `migrate` needs to know, and one migration after it.
//!
//! A fault does not keep the function from starting: who asked must be told of it, and CloudFormation, which waits for an
//! answer for an hour, asks only a function that runs.

use std::sync::Arc;

use secrecy::SecretString;
use shared::{
    config::{DatabaseConfig, Env, Fault, Faults},
    db::Credentials,
    secrets::{DatabaseLogin, SecretSource, SecretsError},
};

use crate::{Done, MigrateError, Passwords, migrate};

#[derive(Clone, Debug)]
pub struct Settings {
    /// `MASTER_DATABASE_URL`, `MASTER_SECRET_ID`: the server's master user.
    pub master: DatabaseConfig,
    /// `APP_LOGIN_SECRET_ID`: the login that `solo_app` gets. Without it, its password stays as it is.
    pub app_secret_id: Option<String>,
    /// `READER_LOGIN_SECRET_ID`: that of `solo_reader`.
    pub reader_secret_id: Option<String>,
    /// `RESTORER_LOGIN_SECRET_ID`: that of `solo_restorer`.
    pub restorer_secret_id: Option<String>,
}

impl Settings {
    /// `None` when the database is not named; why is then among the faults.
    pub fn read(env: &Env, faults: &mut Faults) -> Option<Self> {
        let master = DatabaseConfig::read_as("MASTER_DATABASE_URL", "MASTER_SECRET_ID", env, faults)?;
        Some(Self {
            master,
            app_secret_id: env.optional("APP_LOGIN_SECRET_ID"),
            reader_secret_id: env.optional("READER_LOGIN_SECRET_ID"),
            restorer_secret_id: env.optional("RESTORER_LOGIN_SECRET_ID"),
        })
    }

    /// Reads the logins, as they are now, and migrates. So a login that was rotated takes effect.
    pub async fn migrate(&self, secrets: &Arc<dyn SecretSource>) -> Result<Done, MigrateError> {
        let passwords = Passwords {
            app: password(self.app_secret_id.as_deref(), "solo_app", &**secrets).await?,
            reader: password(self.reader_secret_id.as_deref(), "solo_reader", &**secrets).await?,
            restorer: password(self.restorer_secret_id.as_deref(), "solo_restorer", &**secrets).await?,
        };
        let login = Credentials::new(self.master.secret_id.clone(), secrets);
        migrate(self.master.url.clone(), login, &passwords).await
    }
}

/// The password that the secret has for `role`. A login of another name would be of no use to who reads the secret: only
/// this role is made.
async fn password(
    id: Option<&str>,
    role: &str,
    secrets: &dyn SecretSource,
) -> Result<Option<SecretString>, SecretsError> {
    let Some(id) = id else { return Ok(None) };
    let login = DatabaseLogin::parse(&secrets.fetch(id).await?)?;
    if login.username != role {
        let problem = format!("has the login of another user than {role}");
        return Err(SecretsError::Invalid(Fault::new(&format!("the secret {id}"), &problem).into()));
    }
    Ok(Some(login.password))
}
