//! A handler that does as its event says, for tests of what happens around handlers.

use std::time::Duration;

use serde_json::json;
use shared::{
    alerts::Severity,
    config::Env,
    events::{Decoded, Envelope, Event, InvalidPayload},
    handlers::{Context, Handler, HandlerError, Handlers},
    outbox::HttpRequest,
};

/// Where the scripted handler leaves its mark, and one table that only complains at COMMIT.
pub const TABLES: &str = "
    CREATE TABLE effects (execution_id uuid NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE TABLE late (id int PRIMARY KEY, of int REFERENCES late DEFERRABLE INITIALLY DEFERRED);
    GRANT SELECT, INSERT ON effects, late TO solo_app";

/// `handlers`, and those for Stripe's `test.script` and `test.once` (which must not be rerun after a crash); GitHub's `push`
/// does as it says, too.
pub fn handlers(handlers: Handlers) -> Handlers {
    let handlers = handlers.on("stripe", "test.script", Scripted).on("stripe", "test.once", OnlyOnce);
    handlers.on("github", "push", Scripted)
}

struct Script(String);

impl Event for Script {
    const TYPE: &'static str = "test.script";
    const VERSION: u16 = 1;

    fn decode(envelope: &Envelope) -> Result<Decoded<Self>, InvalidPayload> {
        let todo = envelope.data["todo"].as_str().unwrap_or_default();
        assert!(todo != "panic in decode", "the type has a bug");
        if todo == "nothing" {
            return Ok(Decoded::Nothing);
        }
        Ok(Decoded::Event(Self(todo.to_owned())))
    }
}

/// Leaves a mark, then does as it is told.
struct Scripted;

impl Handler for Scripted {
    type Event = Script;
    const NAME: &'static str = "scripted";

    async fn handle(&self, script: Script, context: &mut Context<'_>) -> Result<(), HandlerError> {
        let id = context.execution_id();
        context.execute("INSERT INTO effects (execution_id) VALUES ($1)", &[&id]).await?;
        match script.0.as_str() {
            "retry" => Err(HandlerError::retry("the other side is busy")),
            "retry in an hour" => Err(HandlerError::retry_after("asked to wait", Duration::from_hours(1))),
            "fail" => Err(HandlerError::fail("this can never work")),
            "panic" => panic!("the handler has a bug"),
            "hang" => std::future::pending().await,
            "hang in the database" => Ok(context.query("SELECT pg_sleep(60)", &[]).await.map(drop)?),
            "hang loudly once" if Env::of_process().optional("SOLO_TEST_VICTIM").is_none() => Ok(()),
            "hang loudly" | "hang loudly once" => {
                println!("the handler runs");
                std::future::pending().await
            }
            "swallow a failed statement" => {
                let _ = context.execute("INSERT INTO late VALUES (1, 1), (1, 1)", &[]).await;
                Ok(())
            }
            "break at commit" => Ok(context.execute("INSERT INTO late VALUES (1, 2)", &[]).await.map(drop)?),
            "have its data refused" => Ok(context.query("SELECT $1::text::integer", &[&"s3cret"]).await.map(drop)?),
            "read everything" => Ok(context.query("SELECT * FROM effects", &[]).await.map(drop)?),
            "send" => {
                let url = "https://api.example.com/things".parse().map_err(HandlerError::fail)?;
                context.send(HttpRequest::post(url, json!({"execution": id}))).await.map(drop)
            }
            "send once" => {
                let url = "https://api.example.com/things".parse().map_err(HandlerError::fail)?;
                context.send_once("the only one", HttpRequest::post(url, json!({}))).await.map(drop)
            }
            "alert" => context.alert(Severity::Warning, "test", "look at this").await,
            "fail until the third time" => {
                let times =
                    context.query("SELECT attempt FROM executions WHERE id = $1 AND attempt < 3", &[&id]).await?;
                if times.is_empty() { Ok(()) } else { Err(HandlerError::retry("not yet")) }
            }
            "take 400 ms" => {
                tokio::time::sleep(Duration::from_millis(400)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Must not be rerun after a crash.
struct OnlyOnce;

impl Handler for OnlyOnce {
    type Event = Script;
    const NAME: &'static str = "only_once";
    const RERUN_AFTER_CRASH: bool = false;

    async fn handle(&self, script: Script, context: &mut Context<'_>) -> Result<(), HandlerError> {
        Scripted.handle(script, context).await
    }
}
