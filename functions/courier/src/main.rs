use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use courier::{Config, Courier, Services, remaining};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::{
    config::Env,
    metrics::{Known, Meter},
    telemetry,
};
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let began = Instant::now();
    let config = Config::load(&Env::of_process())?;
    telemetry::init_traced(config.log_level, config.log_format, "courier", config.otlp.as_ref());
    let (namespace, format) = (config.metrics_namespace.clone(), config.log_format);
    let services = Services::from_env(&config).await;
    let courier = &Courier::new(config, services)?;
    let meter = &Meter::new("courier", namespace, format, Known::default()).started(began);
    telemetry::run(service_fn(async |event: LambdaEvent<SqsEvent>| -> Result<SqsBatchResponse, Error> {
        let work = courier.deliver(event.payload, remaining(event.context.deadline));
        Ok(meter.invocation(&event.context.request_id, work).await)
    }))
    .await
}
