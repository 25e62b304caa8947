use std::sync::Arc;

use lambda_http::Error;
use shared::{
    config::{Config, Env},
    http::gateway,
    secrets::SecretsManager,
    telemetry,
};
use webhooks::{Environment, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::load(&Env::of_process())?;
    telemetry::init(config.log_level, config.log_format);
    let secrets = Arc::new(SecretsManager::from_env().await);
    let environment = Arc::new(Environment::new(config, secrets, app::handlers())?);
    environment.warm_up().await?;
    gateway::serve(router(environment)).await
}
