use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use migrate::{Passwords, migrate};
use serde_json::Value;
use shared::{
    config::{DatabaseConfig, Env, Faults},
    db::Credentials,
    secrets::{DatabaseLogin, SecretSource, SecretsManager},
    telemetry::{self, LogFormat, LogLevel},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(LogLevel::default(), LogFormat::default());
    let env = Env::of_process();
    let mut faults = Faults::default();
    let master = DatabaseConfig::read_as("MASTER_DATABASE_URL", "MASTER_SECRET_ID", &env, &mut faults);
    let Some(master) = master else { return Err(faults.into()) };
    let secrets: Arc<dyn SecretSource> = Arc::new(SecretsManager::from_env().await);
    lambda_runtime::run(service_fn(async |_event: LambdaEvent<Value>| -> Result<Value, Error> {
        let passwords = Passwords {
            app: password(&env, "APP_LOGIN_SECRET_ID", &*secrets).await?,
            reader: password(&env, "READER_LOGIN_SECRET_ID", &*secrets).await?,
        };
        let login = Credentials::new(master.secret_id.clone(), &secrets);
        Ok(serde_json::to_value(migrate(master.url.clone(), login, &passwords).await?)?)
    }))
    .await
}

/// The password in the login secret that `variable` names. `None` when it names none.
async fn password(
    env: &Env,
    variable: &str,
    secrets: &dyn SecretSource,
) -> Result<Option<secrecy::SecretString>, Error> {
    let Some(id) = env.optional(variable) else { return Ok(None) };
    Ok(Some(DatabaseLogin::parse(&secrets.fetch(&id).await?)?.password))
}
