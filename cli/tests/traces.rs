//! One trace from the door to whom is called: the real binaries, each in a process of its own, with the queues between them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use shared::{
    clock,
    providers::{self, About},
};
use testkit::{AppSecret, Lambda, Received, Receiver, SeenSpan, TestDatabase, TestQueues, TestSecrets, variable};
use uuid::Uuid;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

struct World {
    database: TestDatabase,
    queues: TestQueues,
    secret: AppSecret,
    secrets: TestSecrets,
    /// Who is told of payments.
    told: Receiver,
    solo_toml: tempfile::NamedTempFile,
}

impl World {
    async fn new() -> Self {
        let secret = AppSecret::random();
        let secrets = TestSecrets::create(&secret.json()).await;
        let solo_toml = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(solo_toml.path(), "[providers.stripe]\nmode = 'queued'\n").unwrap();
        let (database, queues) = (TestDatabase::new().await, TestQueues::create().await);
        Self { database, queues, secret, secrets, told: Receiver::start(), solo_toml }
    }

    fn function(&self, name: &str, more: &[(&'static str, String)]) -> Lambda {
        let mut variables = BTreeMap::from(self.queues.variables());
        let password = format!(":{}@", variable("SOLO_TEST_APP_PASSWORD"));
        variables.extend([
            ("DATABASE_URL", self.database.app_url().to_string().replacen('@', &password, 1)),
            ("APP_SECRET_ID", self.secrets.id.clone()),
            ("PAYMENTS_WEBHOOK_URL", format!("{}/paid", self.told.url())),
            ("COURIER_ALLOW_LOOPBACK", "true".into()),
            ("SOLO_TOML", self.solo_toml.path().to_str().unwrap().to_owned()),
            ("LOG_LEVEL", "error".into()),
        ]);
        variables.extend(more.iter().cloned());
        Lambda::start(&binary(name), &variables)
    }

    /// A webhook of Stripe's, as API Gateway hands it over.
    fn webhook(&self, trace_parent: Option<&str>) -> Value {
        let stripe = providers::find("stripe").unwrap();
        let body = stripe.sample("invoice.paid", &Uuid::new_v4().simple().to_string(), clock::now());
        let about = About { id: "", event_type: "" };
        let delivery = stripe.sign(body.to_string().into_bytes(), &about, &self.secret.stripe, clock::now());
        let mut headers: BTreeMap<String, String> = delivery
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.extend(trace_parent.map(|value| ("traceparent".to_owned(), value.to_owned())));
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/webhooks/stripe", "rawQueryString": "",
            "headers": headers,
            "requestContext": {
                "accountId": "1", "apiId": "a", "requestId": "r", "routeKey": "$default", "stage": "$default",
                "time": "22/Nov/2026:10:00:00 +0000", "timeEpoch": 1_795_341_600_000_i64,
                "http": {"method": "POST", "path": "/webhooks/stripe", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                         "userAgent": "t"},
            },
            "body": String::from_utf8(delivery.body).unwrap(), "isBase64Encoded": false,
        })
    }

    /// Takes an event from the door through the queue, the worker and courier.
    async fn walk(&self, more: &[(&'static str, String)]) {
        let caller = format!("00-{TRACE}-{CALLER}-01");
        let answer = self.function("webhooks", more).invoke(&self.webhook(Some(&caller)));
        assert_eq!(answer["statusCode"], 202, "{answer}");
        let queued = self.queues.inbox().await;
        assert_eq!(queued.len(), 1);
        let drained = self.function("worker", more).invoke(&batch(&queued));
        assert_eq!(drained, json!({"batchItemFailures": []}));
        let outbound = self.queues.outbound().await;
        assert_eq!(outbound.len(), 1, "the worker relays what it leaves");
        let done = self.function("courier", more).invoke(&batch(&outbound));
        assert_eq!(done["batchItemFailures"], json!([]), "{done}");
    }

    /// The `traceparent` of the call.
    fn called_with(&self) -> String {
        let seen = self.told.seen();
        assert_eq!(seen.len(), 1);
        seen[0].header("traceparent").unwrap().to_owned()
    }
}

/// Beside ours: `cargo` builds all of the workspace's binaries into one directory.
fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_solo")).with_file_name(name);
    assert!(path.exists(), "cargo build --workspace --bins");
    path
}

fn batch(messages: &[Received]) -> Value {
    let records: Vec<_> = messages
        .iter()
        .map(|message| {
            json!({"messageId": message.id, "receiptHandle": message.receipt, "body": message.body,
                   "attributes": {"ApproximateReceiveCount": message.receive_count.to_string()}})
        })
        .collect();
    json!({"Records": records})
}

#[track_caller]
fn one<'s>(spans: &'s [SeenSpan], name: &str) -> &'s SeenSpan {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name && span.trace_id == TRACE).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_an_event_are_one_trace() {
    let world = World::new().await;
    let collector = Receiver::start();
    world.walk(&[("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())]).await;
    let spans = collector.spans_with("effect");
    let parents = [
        ("verify", "request"),
        ("queued", "request"),
        ("claim", "queued"),
        ("handler", "queued"),
        ("finish", "queued"),
        ("relay", "handler"),
        ("effect", "relay"),
    ];
    assert_eq!(one(&spans, "request").parent_id, CALLER);
    for (child, parent) in parents {
        assert_eq!(one(&spans, child).parent_id, one(&spans, parent).span_id, "{child} of {parent}: {spans:#?}");
    }
    assert_eq!(world.called_with(), format!("00-{TRACE}-{}-01", one(&spans, "effect").span_id));
    // Ids and names, and no texts: what is logged in a span stays in the log.
    let texts = ["message", "error", "payload", "exception.message"];
    let fit = |span: &SeenSpan| span.events == 0 && !span.attributes.iter().any(|name| texts.contains(&name.as_str()));
    assert!(spans.iter().all(fit), "{spans:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_the_caller_s_place_goes_along() {
    let world = World::new().await;
    world.walk(&[]).await;
    assert_eq!(world.called_with(), format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(world.database.text("SELECT trace_parent FROM outbox").await, world.called_with());
    let anything = "DO $$ BEGIN
                      UPDATE outbox SET trace_parent = repeat('x', 1000);
                      RAISE 'it was taken';
                    EXCEPTION WHEN check_violation THEN NULL;
                    END $$";
    world.database.execute(anything).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_collector_costs_no_answer_and_half_a_second_once() {
    let world = World::new().await;
    let silent = Receiver::silent();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for endpoint in [silent.url(), format!("http://{gone}")] {
        let more = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("LOG_LEVEL", "warn".to_owned())];
        let function = world.function("webhooks", &more);
        let first = function.invoke_timed(&world.webhook(None));
        assert_eq!(first.body["statusCode"], 202, "{first:?}");
        let flush = first.ready_after.saturating_sub(first.after);
        // The bound, and a loaded machine.
        assert!(flush < Duration::from_millis(900), "{flush:?}");
        function.output_with("spans are lost");
        let second = function.invoke_timed(&world.webhook(None));
        let flush = second.ready_after.saturating_sub(second.after);
        assert!(flush < Duration::from_millis(300), "it rests: {flush:?}");
    }
    assert_eq!(silent.seen().len(), 1, "the second was not even tried");
}
