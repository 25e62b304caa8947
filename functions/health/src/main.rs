use std::sync::Arc;

use health::{Environment, Services, Settings, router};
use lambda_http::Error;
use shared::{aws, config::Env, http::gateway, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::load(&Env::of_process())?;
    telemetry::init(settings.log_level, settings.log_format);
    let services = Services::of(&aws::sdk_config().await, &settings);
    let environment = Arc::new(Environment::new(settings, services)?);
    environment.warm_up().await;
    gateway::serve(router(environment)).await
}
