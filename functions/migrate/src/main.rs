use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use migrate::Resource;
use serde_json::Value;
use shared::{
    config::Env,
    secrets::SecretsManager,
    telemetry::{self, LogFormat, LogLevel},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(LogLevel::default(), LogFormat::default());
    let resource = &Resource::new(&Env::of_process(), Arc::new(SecretsManager::from_env().await))?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| -> Result<Value, Error> {
        resource.handle(event.payload, event.context.deadline).await
    }))
    .await
}
