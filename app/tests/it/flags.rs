//! `app/flags.json`: held to flagd's schema, to what it should say, and to what handlers see.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use shared::{
    config::Env,
    db::{Credentials, Database},
    events::{Decoded, Envelope, Event, InvalidPayload},
    executions,
    flags::{Flags, Reason, User},
    handlers::{Context, Handler, HandlerError, Handlers},
    retry::RetryPolicy,
    runner::{Runner, State},
};
use testkit::TestDatabase;
use tokio::time::Instant;

use app::flags::{AI_ASSISTANT, ALL, EXPORT_CSV, V2_DASHBOARD, built_in};

fn file() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("flags.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A file with a fault would stop every function at its start.
#[test]
fn the_file_can_be_read() {
    let settings = app::Settings::load(&Env::of(&[])).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(settings.flags, built_in().unwrap());
}

#[test]
fn every_flag_has_a_name_in_the_code_and_every_name_a_flag() {
    let flags = built_in().unwrap();
    assert_eq!(flags.iter().map(|flag| flag.key.as_str()).collect::<Vec<_>>(), ALL, "app/src/flags.rs, in this order");
}

/// Change this with the file when a flag of yours takes the place of these.
#[test]
fn the_flags_that_come_with_it_are_as_required() {
    let flags = built_in().unwrap();
    let shown: Vec<_> =
        flags.iter().map(|it| (it.key.as_str(), it.enabled, it.share.percent(), it.requires_auth)).collect();
    assert_eq!(
        shown,
        [(AI_ASSISTANT, true, 25.0, true), (EXPORT_CSV, true, 100.0, false), (V2_DASHBOARD, false, 0.0, false),]
    );
    assert!(flags.is_on(EXPORT_CSV, &User::anonymous()));
    assert!(!flags.is_on(V2_DASHBOARD, &User::id("u_2")));
    let of = |user: &User| flags.decide(AI_ASSISTANT, user);
    assert!(of(&User::id("u_2")).on && !of(&User::id("u_42")).on);
    assert_eq!(of(&User::visitor("u_2")).reason, Reason::NotSignedIn);
}

/// flagd's own schema, so that every program for the format reads the file. Where it is from: `fixtures/flagd/README.md`.
fn schema() -> jsonschema::Validator {
    let read = |name: &str| -> Value {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/flagd").join(name);
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    let (flags, targeting) = (read("flags.schema.json"), read("targeting.schema.json"));
    let targeting_id = targeting["$id"].as_str().unwrap().to_owned();
    let registry = jsonschema::Registry::new().add(targeting_id, targeting).unwrap().prepare().unwrap();
    jsonschema::options().with_registry(&registry).build(&flags).unwrap()
}

#[test]
fn the_file_fits_flagds_schema() {
    let schema = schema();
    let faults: Vec<_> = schema.iter_errors(&file()).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}");
    // The schema is a real one: it refuses what flagd does.
    for (pointer, wrong) in [
        ("/flags/ai-assistant/state", json!("ON")),
        ("/flags/ai-assistant/variants/on", json!("yes")),
        ("/flags/ai-assistant/targeting/if/1/fractional/0/1", json!("25")),
        ("/flags/export-csv/metadata/description", json!([])),
    ] {
        let mut file = file();
        *file.pointer_mut(pointer).unwrap() = wrong;
        assert!(!schema.is_valid(&file), "{pointer}");
    }
}

struct Question(String);

impl Event for Question {
    const TYPE: &'static str = "test.question";
    const VERSION: u16 = 1;

    fn decode(envelope: &Envelope) -> Result<Decoded<Self>, InvalidPayload> {
        Ok(Decoded::Event(Self(envelope.data["user"].as_str().unwrap_or_default().to_owned())))
    }
}

/// As a handler of yours would ask.
struct Answer;

impl Handler for Answer {
    type Event = Question;
    const NAME: &'static str = "answer";

    async fn handle(&self, question: Question, context: &mut Context<'_>) -> Result<(), HandlerError> {
        if context.flags().is_on(AI_ASSISTANT, &User::id(&question.0)) {
            return Ok(());
        }
        Err(HandlerError::fail("there is no assistant for this user"))
    }
}

async fn ask(handlers: Handlers, user: &str) -> State {
    let test = TestDatabase::new().await;
    let database = Database::new(test.app_url(), Credentials::Url, executions::WARM).unwrap();
    let handlers = handlers.on("github", Question::TYPE, Answer);
    let body = json!({"user": user});
    let envelope = Envelope::new("github", "1", Question::TYPE, 1, body.clone(), body.to_string().as_bytes()).unwrap();
    let retry = RetryPolicy { max_attempts: 3, base_delay: Duration::from_secs(2) };
    let runner = Runner { database: &database, retry, deadline: Instant::now() + Duration::from_secs(20) };
    runner.deliver(&envelope, handlers.resolve(&envelope)).await.unwrap().state
}

#[tokio::test]
async fn handlers_see_the_flags_of_the_file() {
    assert_eq!(ask(app::handlers(), "u_2").await, State::Completed);
    assert_eq!(ask(app::handlers(), "u_42").await, State::Dead);
}

#[tokio::test]
async fn a_test_chooses_the_flags_that_its_handler_sees() {
    let with = |on| app::handlers().with_flags(Flags::fixed(&[(AI_ASSISTANT, on)]));
    assert_eq!(ask(with(true), "u_42").await, State::Completed);
    assert_eq!(ask(with(false), "u_2").await, State::Dead);
    assert_eq!(ask(Handlers::new(), "u_2").await, State::Dead, "without flags");
}
