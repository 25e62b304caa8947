use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{
    aws::Services,
    config::{Config, Env},
    metrics::Meter,
    telemetry,
};
use tokio::time::Instant;
use worker::{Settings, Worker};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (began, env) = (Instant::now(), Env::of_process());
    let (config, settings) = (Config::load(&env)?, Settings::load(&env)?);
    telemetry::init_traced(config.log_level, config.log_format, "worker", config.otlp.as_ref());
    let handlers = app::Settings::load(&env)?.handlers();
    let (namespace, format) = (config.metrics_namespace.clone(), config.log_format);
    let services = Services::from_env(&config.queues).await;
    let worker = &Worker::new(config, &settings, services, handlers)?;
    let meter = &Meter::new("worker", namespace, format, worker.known()).started(began);
    telemetry::run(service_fn(async |event: LambdaEvent<Value>| -> Result<Value, Error> {
        let work = Box::pin(worker.invoke(event.payload, event.context.deadline));
        meter.invocation(&event.context.request_id, work).await
    }))
    .await
}
