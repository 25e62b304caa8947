use lambda_runtime::{Error, LambdaEvent, service_fn};
use ops::{Answer, Environment, perform};
use serde_json::Value;
use shared::{
    aws::Services,
    config::{Config, Env},
    db::{Credentials, Database},
    telemetry,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::load(&Env::of_process())?;
    telemetry::init(config.log_level, config.log_format);
    let services = Services::from_env(&config.queues).await;
    let login = Credentials::new(config.database.secret_id, &services.secrets);
    let database = Database::new(config.database.url, login, &[])?;
    let environment = &Environment { database, inbox: services.inbox };
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| -> Result<Answer, Error> {
        Ok(perform(environment, event.payload).await)
    }))
    .await
}
