use std::sync::Arc;

use lambda_http::Error;
use shared::{
    aws::Services,
    config::{Config, Env},
    http::gateway,
    telemetry,
};
use webhooks::{Environment, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::load(&Env::of_process())?;
    telemetry::init(config.log_level, config.log_format);
    let services = Services::from_env(&config.queues).await;
    let environment = Arc::new(Environment::new(config, services, app::handlers())?);
    environment.warm_up().await?;
    gateway::serve(router(environment)).await
}
