use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use ops::{Answer, perform};
use serde_json::Value;
use shared::{
    config::{Config, Env},
    db::{Credentials, Database},
    secrets::{SecretSource, SecretsManager},
    telemetry,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::load(&Env::of_process())?;
    telemetry::init(config.log_level, config.log_format);
    let secrets: Arc<dyn SecretSource> = Arc::new(SecretsManager::from_env().await);
    let login = Credentials::new(config.database.secret_id, &secrets);
    let database = &Database::new(config.database.url, login, &[])?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| -> Result<Answer, Error> {
        Ok(perform(database, event.payload).await)
    }))
    .await
}
