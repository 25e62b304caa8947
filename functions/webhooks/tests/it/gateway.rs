//! Events as API Gateway (HTTP API, payload format 2.0) hands them over, through the same conversion as in Lambda.

use axum::{Router, body::Body};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use lambda_http::request::LambdaRequest;
use serde_json::{Value, json};
use shared::http::gateway::tame;

use crate::support::{Answer, World, invoice_paid, send};

/// After AWS's example (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
pub fn gateway_event(path: &str, headers: &Value, body: &str, base64: bool) -> Value {
    json!({
        "version": "2.0", "routeKey": "POST /webhooks/{provider}", "rawPath": path, "rawQueryString": "",
        "headers": headers, "isBase64Encoded": base64, "body": body, "pathParameters": {"provider": "stripe"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "api-id", "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "id", "requestId": "JKJaXmPLvHcESHA=", "routeKey": "POST /webhooks/{provider}",
            "stage": "$default", "time": "12/Mar/2026:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_i64,
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "Stripe/1.0"},
        },
    })
}

pub async fn deliver(environment: &Router, event: Value) -> Answer {
    let request: LambdaRequest = serde_json::from_value(event).unwrap();
    let request: lambda_http::Request = tame(request).into();
    send(environment, request.map(|body| Body::from(body.to_vec()))).await
}

fn signed(world: &World, event: &Value) -> (Value, String) {
    let request = world.stripe(event);
    let header = request.headers()["stripe-signature"].to_str().unwrap();
    (json!({"stripe-signature": header, "content-type": "application/json"}), event.to_string())
}

#[tokio::test]
async fn a_text_body_and_a_base64_body() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = invoice_paid();
    let (headers, body) = signed(&world, &event);
    deliver(&environment, gateway_event("/webhooks/stripe", &headers, &body, false)).await.expect(200, "ok");
    let encoded = STANDARD.encode(body.as_bytes());
    deliver(&environment, gateway_event("/webhooks/stripe", &headers, &encoded, true))
        .await
        .expect(200, "already_processed");
    // Marked as base64 and none: an empty body, which nobody signed.
    deliver(&environment, gateway_event("/webhooks/stripe", &headers, "{}", true))
        .await
        .expect(401, "invalid_signature");
}

#[tokio::test]
async fn hostile_requests_get_an_answer() {
    let world = World::new().await;
    let environment = world.environment().await;
    let (headers, body) = signed(&world, &invoice_paid());
    let mut hostile = headers.clone();
    hostile["host"] = json!("[not a host");
    hostile["x-forwarded-proto"] = json!("%%%");
    deliver(&environment, gateway_event("/webhooks/stripe", &hostile, &body, false)).await.expect(200, "ok");
    hostile["stripe-signature"] = json!("t=1,v1=".to_owned() + &"a".repeat(100_000));
    deliver(&environment, gateway_event("/webhooks/stripe", &hostile, &body, false))
        .await
        .expect(401, "invalid_signature");
    for path in [
        "/webhooks/ä b",
        "/webhooks/%00",
        "/webhooks/..%2f..",
        "//",
        "",
        "no slash",
        &format!("/{}", "a".repeat(20_000)),
    ] {
        let answer = deliver(&environment, gateway_event(path, &headers, &body, false)).await;
        assert!(answer.status.as_u16() == 404, "{path}: {} {}", answer.status, answer.body);
    }
    let mut query = gateway_event("/webhooks/stripe", &headers, &body, false);
    query["rawQueryString"] = json!("a=b c\u{7f}{}");
    deliver(&environment, query).await.expect(200, "already_processed");
}
