use backup::Backup;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{config::Env, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = backup::Settings::load(&Env::of_process())?;
    telemetry::init(settings.platform.log_level, settings.platform.log_format);
    let backup = &Backup::new(settings).await?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| -> Result<Value, Error> {
        backup.invoke(event.payload, event.context.deadline).await
    }))
    .await
}
