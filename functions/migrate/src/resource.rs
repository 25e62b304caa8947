//! The function: a custom resource of CloudFormation, and the same migration for who calls it without one.
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref.html>)
//!
//! | event | does | answers |
//! |---|---|---|
//! | `RequestType` Create, Update | migrates | SUCCESS with the schema's version, or FAILED with why, to its `ResponseURL` |
//! | `RequestType` Delete | nothing: data outlives the stack | SUCCESS |
//! | anything else | migrates | the caller |
//!
//! CloudFormation waits for an hour unless it is answered, so everything is: a fault of the configuration, a panic, a
//! deadline. Only what cannot be answered fails the invocation. A rollback is an Update like any other, and leaves a newer
//! schema as it is.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use lambda_runtime::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    config::{Env, Faults},
    errors::chain,
    invocation,
    secrets::SecretSource,
};
use tokio::time::timeout;

use crate::{Done, Reach, Responder, Settings};

/// The longest that Lambda lets a function run.
const INVOCATION: Duration = Duration::from_mins(15);
/// Kept back from it for the answer.
const ANSWER: Duration = Duration::from_secs(10);
/// CloudFormation reads no more of an answer, in bytes.
const LARGEST: usize = 4_096;
/// The database is what this resource stands for. Another id would have CloudFormation delete the old one.
const PHYSICAL_ID: &str = "schema";
const MOST_NAMES: usize = 1_000;

/// What one environment holds from init on.
pub struct Resource {
    settings: Result<Settings, Faults>,
    secrets: Arc<dyn SecretSource>,
    responder: Responder,
}

/// CloudFormation's request. What is missing is empty, so that as much as possible can be answered.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    request_type: String,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    #[serde(default)]
    stack_id: String,
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    logical_resource_id: String,
    #[serde(default)]
    physical_resource_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Response<'a> {
    status: &'static str,
    reason: &'a str,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    data: Data,
}

/// Texts, because templates take nothing else out of it.
#[derive(Default, Serialize)]
#[serde(rename_all = "snake_case")]
struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<String>,
}

impl Resource {
    /// Faults of the configuration are kept for the answers.
    pub fn new(env: &Env, secrets: Arc<dyn SecretSource>) -> reqwest::Result<Self> {
        let mut faults = Faults::default();
        let settings = Settings::read(env, &mut faults);
        let allow_loopback = env.parsed("MIGRATE_ALLOW_LOOPBACK", "true or false", &mut faults).unwrap_or(false);
        let reach = if allow_loopback { Reach::AmazonAndLoopback } else { Reach::Amazon };
        let settings = match settings {
            Some(settings) => faults.into_result(settings),
            None => Err(faults),
        };
        Ok(Self { settings, secrets, responder: Responder::new(reach)? })
    }

    /// One invocation. `deadline` is the Lambda context's.
    pub async fn handle(&self, event: Value, deadline: u64) -> Result<Value, Error> {
        let time = invocation::remaining(deadline, INVOCATION).saturating_sub(ANSWER);
        if event.get("RequestType").is_none() {
            let done = self.migrate(time).await?;
            return Ok(serde_json::to_value(done)?);
        }
        // Without quoting it: the URL in it is a secret.
        let request: Event =
            serde_json::from_value(event).map_err(|_| "it is no request of CloudFormation that could be answered")?;
        let url = self.responder.admit(&request.response_url)?;
        let outcome = match request.request_type.as_str() {
            "Create" | "Update" => self.migrate(time).await.map(Some),
            "Delete" => Ok(None),
            _ => Err("there is no such request type".to_owned()),
        };
        if let Err(reason) = &outcome {
            tracing::error!(reason, "the migration failed");
        }
        let body = answer(&request, outcome)?;
        self.responder.put(&url, &body).await?;
        Ok(Value::Null)
    }

    /// However it ends, it ends here, and in time. What went wrong is told in words that CloudFormation may show.
    async fn migrate(&self, time: Duration) -> Result<Done, String> {
        let settings = self.settings.as_ref().map_err(ToString::to_string)?;
        match timeout(time, AssertUnwindSafe(settings.migrate(&self.secrets)).catch_unwind()).await {
            Ok(Ok(done)) => done.map_err(|error| chain(&error)),
            Ok(Err(_)) => Err("the migration panicked; the function's log says where".into()),
            Err(_) => {
                Err(format!("the migration was not done {} s before the function's time ended", ANSWER.as_secs()))
            }
        }
    }
}

/// The body of the answer, the reason cut so that all of it fits.
fn answer(request: &Event, outcome: Result<Option<Done>, String>) -> Result<String, Error> {
    let (status, reason, data) = match outcome {
        Ok(None) => ("SUCCESS", "The data stays.".to_owned(), Data::default()),
        Ok(Some(done)) => ("SUCCESS", format!("The schema has version {}.", done.schema_version), Data::of(&done)),
        Err(reason) => ("FAILED", reason, Data::default()),
    };
    let given = request.physical_resource_id.as_deref().filter(|id| !id.is_empty());
    let mut response = Response {
        status,
        reason: "",
        physical_resource_id: given.unwrap_or(PHYSICAL_ID),
        stack_id: &request.stack_id,
        request_id: &request.request_id,
        logical_resource_id: &request.logical_resource_id,
        data,
    };
    let room = LARGEST.checked_sub(serde_json::to_string(&response)?.len());
    let reason = cut(&reason, room.ok_or("the ids in the request are too long for an answer")?);
    response.reason = &reason;
    Ok(serde_json::to_string(&response)?)
}

/// As much of the text as takes so many bytes in JSON, the mark of the cut included.
fn cut(text: &str, room: usize) -> String {
    let escaped = |character: char| match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        control if control < ' ' => "\\u0000".len(),
        other => other.len_utf8(),
    };
    if text.chars().map(escaped).sum::<usize>() <= room {
        return text.to_owned();
    }
    let mut left = room.saturating_sub('…'.len_utf8());
    let fits = |character: &char| {
        let next = left.checked_sub(escaped(*character));
        left = next.unwrap_or(0);
        next.is_some()
    };
    let kept: String = text.chars().take_while(fits).collect();
    if kept.is_empty() { kept } else { kept + "…" }
}

impl Data {
    fn of(done: &Done) -> Self {
        let applied = cut(&done.applied.join(", "), MOST_NAMES);
        Self { schema_version: Some(done.schema_version.to_string()), applied: Some(applied) }
    }
}
