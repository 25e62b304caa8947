//! Messages to people.

use std::sync::Arc;

use aws_sdk_sqs::types::QueueAttributeName::QueueArn;
use courier::System;
use serde_json::{Value, json};
use shared::{
    clock,
    outbox::{Effect, Outbound},
};
use testkit::admin_config;

use crate::{
    server::{Reply, Server},
    world::{TIME, World, expect, notification, outbound, post},
};

#[tokio::test]
async fn a_channel_s_message_arrives_labelled() {
    let server = Server::start(vec![Reply::of(200, "ok")]).await;
    let url = format!("{}/0123456789abcdef0123456789abcdef", server.url("127.0.0.1"));
    let signing = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let world = World::new(json!({"OPS_URL": url, "OPS_URL_SIGNING_SECRET": signing})).await;
    let courier = world.courier("[channels.ops]\nkind = 'webhook'\nsecret = 'OPS_URL'").await;
    let message = outbound(notification("ops"));
    assert!(world.deliver(&courier, &message).await);
    expect(&world.report().await, "delivered", 1, "");
    let [seen] = server.seen().try_into().unwrap();
    assert_eq!(seen.header("idempotency-key"), Some(message.idempotency_key.as_str()));
    assert_eq!(seen.header("webhook-id"), Some(message.id.to_string().as_str()));
    assert!(seen.header("webhook-signature").unwrap().starts_with("v1,"));
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(
        (&body["title"], &body["items"][0]["key"]),
        (&json!("critical: the API is down"), &json!("outbox_dead:api.example.com"))
    );
}

/// What happened goes on in the trace; a message about it, to a third party, is no part of that.
#[tokio::test]
async fn an_effect_says_where_in_its_trace_it_is_and_a_message_does_not() {
    const PLACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let server = Server::start(vec![Reply::of(200, "ok")]).await;
    let url = server.url("127.0.0.1");
    let world = World::new(json!({"SLACK_URL": format!("{url}/services/T0/B0")})).await;
    let courier = world.courier("[channels.ops]\nkind = 'slack'\nsecret = 'SLACK_URL'").await;
    let own = "00-11111111111111111111111111111111-2222222222222222-00";
    let effects: [Effect; 3] =
        [post(&url).into(), post(&url).header("traceparent", own).into(), notification("ops").into()];
    for effect in effects {
        let message = Outbound { trace_parent: PLACE.parse().ok(), ..outbound(effect) };
        assert!(world.deliver(&courier, &message).await);
    }
    assert!(world.deliver(&courier, &outbound(post(&url))).await);
    let seen = server.seen();
    let places: Vec<_> = seen.iter().map(|seen| seen.header("traceparent")).collect();
    assert_eq!(places, [Some(PLACE), Some(own), None, None]);
}

#[tokio::test]
async fn a_channel_that_is_not_there_says_what_to_add() {
    let world = World::new(json!({})).await;
    let courier = world.courier("[channels.ops]\nkind = 'slack'\nsecret = 'SLACK_URL'").await;
    assert!(world.deliver(&courier, &outbound(notification("pager"))).await);
    expect(&world.report().await, "dead", 1, "add [channels.pager] to solo.toml");
    assert!(world.deliver(&courier, &outbound(notification("ops"))).await);
    expect(&world.report().await, "dead", 1, "there is no secret SLACK_URL; add it to the app's secret");
}

/// A topic with a queue subscribed to it in a mailbox's place.
#[tokio::test]
async fn an_e_mail_goes_to_the_topic() {
    let world = World::new(json!({})).await;
    let sdk = admin_config().await;
    let (sns, sqs) = (aws_sdk_sns::Client::new(&sdk), aws_sdk_sqs::Client::new(&sdk));
    let name = format!("test-{}-alerts-topic", clock::new_id());
    let topic = sns.create_topic().name(&name).send().await.unwrap().topic_arn.unwrap();
    let mailbox = sqs.create_queue().queue_name(&name).send().await.unwrap().queue_url.unwrap();
    let arn = sqs.get_queue_attributes().queue_url(&mailbox).attribute_names(QueueArn).send().await.unwrap();
    let arn = arn.attributes.unwrap()[&QueueArn].clone();
    sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn).send().await.unwrap();

    let toml = "[channels.founder]\nkind = 'email'";
    let courier = world.courier_with(toml, Arc::new(System), |config| config.alerts_topic = Some(topic.clone())).await;
    assert!(world.deliver(&courier, &outbound(notification("founder"))).await);
    expect(&world.report().await, "delivered", 1, "");
    let mails = sqs.receive_message().queue_url(&mailbox).send().await.unwrap().messages.unwrap();
    let mail: Value = serde_json::from_str(mails[0].body.as_deref().unwrap()).unwrap();
    assert_eq!(mail["Subject"], "[solo-os] critical: the API is down");
    assert!(mail["Message"].as_str().unwrap().contains("outbox_dead:api.example.com"), "{mail}");

    sns.delete_topic().topic_arn(&topic).send().await.unwrap();
    assert!(world.deliver(&courier, &outbound(notification("founder"))).await);
    expect(&world.report().await, "dead", 1, "NotFound");
}

/// As CloudWatch's alarms come: through a topic that the queue is subscribed to.
#[tokio::test]
async fn an_alarm_arrives_at_the_critical_channel() {
    let server = Server::start(vec![Reply::of(200, "ok")]).await;
    let url = format!("{}/0123456789abcdef0123456789abcdef", server.url("127.0.0.1"));
    let world = World::new(json!({"OPS_URL": url})).await;
    let toml = "[alerts]\ncritical = ['ops']\n[channels.ops]\nkind = 'webhook'\nsecret = 'OPS_URL'";
    let courier = world.courier(toml).await;
    let sdk = admin_config().await;
    let (sns, sqs) = (aws_sdk_sns::Client::new(&sdk), aws_sdk_sqs::Client::new(&sdk));
    let topic = sns
        .create_topic()
        .name(format!("test-{}-alarms-topic", clock::new_id()))
        .send()
        .await
        .unwrap()
        .topic_arn
        .unwrap();
    let queue = sqs.get_queue_attributes().queue_url(&world.queues.config.outbound_url).attribute_names(QueueArn);
    let arn = queue.send().await.unwrap().attributes.unwrap()[&QueueArn].clone();
    sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn).send().await.unwrap();
    let change = json!({"AlarmName": "TickLate", "AlarmDescription": "The tick is late.", "NewStateValue": "ALARM",
                        "OldStateValue": "OK", "NewStateReason": "no datapoints"});
    sns.publish().topic_arn(&topic).message(change.to_string()).send().await.unwrap();

    let alarm = world.queues.outbound().await;
    assert_eq!(alarm.len(), 1);
    assert!(world.invoke(&courier, &alarm, TIME).await.is_empty());
    let told = world.queues.outbound().await;
    assert_eq!(told.len(), 1, "the alarm's place is taken by one message for the channel");
    assert!(world.invoke(&courier, &told, TIME).await.is_empty());
    let [seen] = server.seen().try_into().unwrap();
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!((&body["title"], &body["items"][0]["key"]), (&json!("alarm: TickLate"), &json!("alarm:TickLate")));
    assert!(world.reports().await.is_empty(), "nobody waits for a report of it");
}
