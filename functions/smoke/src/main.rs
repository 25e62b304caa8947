use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{
    aws,
    config::{Env, Faults},
    secrets::SecretsManager,
    telemetry::{self, LogFormat},
};
use smoke::{CodeDeploy, Hook, Lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let env = Env::of_process();
    // A wrong LOG_LEVEL must not keep CodeDeploy waiting; the other functions refuse it.
    let level = env.parsed("LOG_LEVEL", "debug, info, warn or error", &mut Faults::default());
    telemetry::init(level.unwrap_or_default(), LogFormat::default());
    let sdk = aws::sdk_config().await;
    let (invoke, secrets) = (Arc::new(Lambda::new(&sdk)), Arc::new(SecretsManager::new(&sdk)));
    let hook = &Hook::new(&env, invoke, secrets, CodeDeploy::new(&sdk));
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| -> Result<Value, Error> {
        hook.handle(event.payload, event.context.deadline).await
    }))
    .await
}
