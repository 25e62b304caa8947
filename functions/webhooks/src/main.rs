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
    let env = Env::of_process();
    let (config, handlers) = (Config::load(&env)?, app::Settings::load(&env)?.handlers());
    telemetry::init(config.log_level, config.log_format);
    let services = Services::from_env(&config.queues).await;
    let environment = Arc::new(Environment::new(config, services, handlers)?);
    environment.warm_up().await?;
    gateway::serve(router(environment)).await
}
