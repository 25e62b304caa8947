//! The two operations of `ops` that the hook asks for. Their wire form is that function's own; a function knows no other
//! function's types, and the tests hold both sides together.

use serde_json::{Value, json};

use crate::invoke::Invoke;

/// The version of the operations (`ops::VERSION`).
const VERSION: u16 = 1;

/// The outcome's name, and the whole answer. What was refused or failed is an error, in the function's own words.
pub async fn ask(invoke: &dyn Invoke, ops: &str, mut operation: Value) -> Result<(String, Value), String> {
    operation["version"] = json!(VERSION);
    let answer = invoke.invoke(ops, operation).await.map_err(|error| error.to_string())?;
    let outcome = answer.get("outcome").and_then(Value::as_str).unwrap_or_default().to_owned();
    match (outcome.as_str(), answer.get("error").and_then(Value::as_str)) {
        ("", _) => Err("its answer has no outcome".into()),
        ("refused" | "failed", error) => Err(format!("{outcome}: {}", error.unwrap_or("no reason given"))),
        _ => Ok((outcome, answer)),
    }
}
