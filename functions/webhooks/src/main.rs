use std::sync::Arc;

use lambda_http::Error;
use shared::{
    aws::Services,
    config::{Config, Env},
    http::{gateway, metered},
    metrics::Meter,
    telemetry,
};
use tokio::time::Instant;
use webhooks::{Environment, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (began, env) = (Instant::now(), Env::of_process());
    let (config, handlers) = (Config::load(&env)?, app::Settings::load(&env)?.handlers());
    telemetry::init_traced(config.log_level, config.log_format, "webhooks", config.otlp.as_ref());
    let (namespace, format) = (config.metrics_namespace.clone(), config.log_format);
    let services = Services::from_env(&config.queues).await;
    let environment = Arc::new(Environment::new(config, services, handlers)?);
    environment.warm_up().await?;
    let meter = Meter::new("webhooks", namespace, format, environment.known()).started(began);
    gateway::serve(metered(router(environment), meter)).await
}
