use std::sync::Arc;

use health::{Environment, router};
use lambda_http::Error;
use shared::{
    config::{Config, Env},
    http::gateway,
    secrets::SecretsManager,
    telemetry,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::load(&Env::of_process())?;
    telemetry::init(config.log_level, config.log_format);
    let environment = Arc::new(Environment::new(config, Arc::new(SecretsManager::from_env().await))?);
    environment.warm_up().await;
    gateway::serve(router(environment)).await
}
