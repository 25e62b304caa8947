use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{
    aws::Services,
    config::{Config, Env},
    telemetry,
};
use worker::{Settings, Worker};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let env = Env::of_process();
    let (config, settings) = (Config::load(&env)?, Settings::load(&env)?);
    telemetry::init(config.log_level, config.log_format);
    let handlers = app::Settings::load(&env)?.handlers();
    let services = Services::from_env(&config.queues).await;
    let worker = &Worker::new(config, &settings, services, handlers)?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| -> Result<Value, Error> {
        worker.invoke(event.payload, event.context.deadline).await
    }))
    .await
}
