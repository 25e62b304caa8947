use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use courier::{Config, Courier, Services, remaining};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::{config::Env, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::load(&Env::of_process())?;
    telemetry::init(config.log_level, config.log_format);
    let services = Services::from_env(&config).await;
    let courier = &Courier::new(config, services)?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| -> Result<SqsBatchResponse, Error> {
        Ok(courier.deliver(event.payload, remaining(event.context.deadline)).await)
    }))
    .await
}
