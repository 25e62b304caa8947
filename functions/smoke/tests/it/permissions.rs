//! Invocations and reports go to these tests themselves, not to the emulator. While it enforces permissions, it is asked too,
//! and writes down whether the role may. What else it answers says nothing: it has neither the functions nor the deployment.

use serde_json::json;
use shared::aws::sdk_config;
use smoke::{CodeDeploy, Invoke as _, Lambda};
use testkit::permissions_are_enforced;

pub async fn of_invoking(version: &str) {
    if permissions_are_enforced() {
        drop(Lambda::new(&sdk_config().await).invoke(version, json!({})).await);
    }
}

pub async fn of_reporting() {
    if permissions_are_enforced() {
        drop(CodeDeploy::new(&sdk_config().await).report("d-ABCDEF123", "execution", true).await);
    }
}
