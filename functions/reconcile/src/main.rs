use lambda_runtime::{Error, LambdaEvent, service_fn};
use reconcile::Reconcile;
use serde_json::Value;
use shared::{config::Env, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = reconcile::Settings::load(&Env::of_process())?;
    telemetry::init(settings.platform.log_level, settings.platform.log_format);
    let reconcile = &Reconcile::new(settings).await?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| -> Result<Value, Error> {
        reconcile.invoke(event.payload, event.context.deadline).await
    }))
    .await
}
