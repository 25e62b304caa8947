//! Pings: what a run tells a service outside.

use serde_json::json;
use shared::outbox::Ping;
use uuid::Uuid;

use crate::{
    server::{Reply, Server},
    world::{TIME, World, again, expect, outbound},
};

const KEY: &str = "ping-key-0123456789abcdef";

fn ping(path: &str, body: Option<&str>) -> Ping {
    Ping { secret: "PING_URL".into(), path: path.into(), run: Some(Uuid::nil()), body: body.map(Into::into) }
}

/// Of a request's first line.
fn path(head: &str) -> String {
    head.split(' ').nth(1).unwrap().to_owned()
}

async fn world(server: &Server, end: &str) -> World {
    World::new(json!({"PING_URL": format!("{}/{KEY}{end}", server.url("127.0.0.1"))})).await
}

#[tokio::test]
async fn a_ping_goes_to_the_job_s_place_under_the_secret_url() {
    for end in ["", "/"] {
        let server = Server::start(vec![Reply::of(200, "OK")]).await;
        let world = world(&server, end).await;
        let courier = world.courier("").await;
        assert!(world.deliver(&courier, &outbound(ping("backup/start", None))).await);
        assert!(world.deliver(&courier, &outbound(ping("backup", None))).await);
        assert!(world.deliver(&courier, &outbound(ping("backup/fail", Some("no luck")))).await);
        assert!(world.deliver(&courier, &outbound(Ping { run: None, ..ping("tick", None) })).await);
        let rid = "?rid=00000000-0000-0000-0000-000000000000";
        let seen: Vec<_> = server.seen().iter().map(|seen| (path(&seen.head), seen.body.clone())).collect();
        let expected = [
            (format!("/hook/{KEY}/backup/start{rid}"), ""),
            (format!("/hook/{KEY}/backup{rid}"), ""),
            (format!("/hook/{KEY}/backup/fail{rid}"), "no luck"),
            (format!("/hook/{KEY}/tick"), ""),
        ];
        assert_eq!(seen, expected.map(|(path, body)| (path, body.to_owned())));
    }
}

/// Neither the reports nor their errors have the URL: they are stored, and logged.
#[tokio::test]
async fn a_ping_is_tried_three_times_and_its_url_is_told_to_nobody() {
    let server = Server::start(vec![Reply::of(503, "down")]).await;
    let world = world(&server, "").await;
    let courier = world.courier("[outbound]\nmax_attempts = 10").await;
    let mut messages = world.queued(&[outbound(ping("backup", None))]).await;
    for _ in 0..2 {
        assert_eq!(world.invoke(&courier, &messages, TIME).await.len(), 1);
        messages = again(&messages);
    }
    assert!(world.invoke(&courier, &messages, TIME).await.is_empty());
    let reports = world.reports().await;
    expect(reports.iter().find(|report| report["result"] == "dead").unwrap(), "dead", 3, "given up after 3 attempts");
    assert_eq!((reports.len(), server.seen().len()), (3, 3));
    assert!(!json!(reports).to_string().contains(KEY), "{reports:?}");
}

/// It could come after the run's end.
#[tokio::test]
async fn a_ping_of_a_start_is_tried_once() {
    let server = Server::start(vec![Reply::of(503, "down")]).await;
    let world = world(&server, "").await;
    let courier = world.courier("").await;
    let messages = world.queued(&[outbound(ping("backup/start", None))]).await;
    assert!(world.invoke(&courier, &messages, TIME).await.is_empty());
    expect(&world.report().await, "dead", 1, "given up after 1 attempts");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_secret_that_is_no_base_of_urls_is_named_and_not_quoted() {
    let world = World::new(json!({"PING_URL": "hc-ping.com/s3cret-s3cret-s3cret"})).await;
    let courier = world.courier("").await;
    assert!(world.deliver(&courier, &outbound(ping("backup", None))).await);
    let report = world.report().await;
    expect(&report, "dead", 1, "the secret PING_URL is not an https URL");
    assert!(!report.to_string().contains("s3cret"), "{report}");
}
