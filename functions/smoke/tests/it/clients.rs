//! The two clients, against servers that speak as AWS does.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use smoke::{Invoke as _, InvokeError, Lambda};
use tokio::net::TcpListener;

use crate::{
    codedeploy::{Server, sdk},
    stage::{Stage, event},
};

type Answers = Arc<Mutex<Vec<(u16, &'static str, &'static str)>>>;

/// Lambda, with these answers: a status, a header `Name: value`, a body.
async fn lambda(mut answers: Vec<(u16, &'static str, &'static str)>) -> Lambda {
    answers.reverse();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers: Answers = Arc::new(Mutex::new(answers));
    let routes = Router::new().fallback(answer).with_state(answers);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    Lambda::new(&sdk(&url).await)
}

async fn answer(State(answers): State<Answers>, uri: Uri, body: String) -> Response {
    let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Ax%3A7";
    assert_eq!(uri.path(), format!("/2015-03-31/functions/{arn}/invocations"));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({"Records": []}));
    let (status, header, body) = answers.lock().unwrap().pop().unwrap();
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    if let Some((name, value)) = header.split_once(": ") {
        let name: axum::http::HeaderName = name.parse().unwrap();
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

async fn ask(lambda: &Lambda) -> Result<Value, InvokeError> {
    lambda.invoke("arn:aws:lambda:us-east-1:123456789012:function:x:7", json!({"Records": []})).await
}

async fn invoke(lambda: &Lambda) -> Result<Value, String> {
    ask(lambda).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn an_invocation_is_an_answer_or_what_the_function_died_of() {
    let died = "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"exit\\nstatus: 1\"}";
    let lambda = lambda(vec![
        (200, "", "{\"batchItemFailures\":[]}"),
        (200, "X-Amz-Function-Error: Unhandled", died),
        (200, "X-Amz-Function-Error: Unhandled", "no JSON"),
        (200, "", "no JSON"),
        (403, "X-Amzn-ErrorType: AccessDeniedException", "{\"Message\":\"not you\"}"),
    ])
    .await;
    assert_eq!(invoke(&lambda).await, Ok(json!({"batchItemFailures": []})));
    assert_eq!(invoke(&lambda).await.unwrap_err(), "it failed: Unhandled Runtime.ExitError exit status: 1");
    assert_eq!(invoke(&lambda).await.unwrap_err(), "it failed: Unhandled");
    assert!(invoke(&lambda).await.unwrap_err().contains("not JSON"));
    let refused = invoke(&lambda).await.unwrap_err();
    assert!(refused.contains("AccessDeniedException"), "{refused}");
}

#[tokio::test]
async fn a_version_that_is_not_ready_yet_is_asked_again() {
    let lambda = lambda(vec![
        (409, "X-Amzn-ErrorType: ResourceConflictException", "{\"Message\":\"Pending\"}"),
        (
            429,
            "X-Amzn-ErrorType: TooManyRequestsException",
            "{\"Reason\":\"ReservedFunctionConcurrentInvocationLimitExceeded\"}",
        ),
        (200, "", "{}"),
    ])
    .await;
    assert_eq!(invoke(&lambda).await, Ok(json!({})));
}

/// It takes the time for which it is asked again and again.
#[tokio::test]
async fn a_version_that_stays_busy_is_told_from_one_that_cannot_be_invoked() {
    let busy = (429, "X-Amzn-ErrorType: TooManyRequestsException", "{\"message\":\"Rate Exceeded.\"}");
    let pending = (409, "X-Amzn-ErrorType: ResourceConflictException", "{\"message\":\"Pending\"}");
    let (busy, pending) = (lambda(vec![busy; 200]).await, lambda(vec![pending; 200]).await);
    let (busy, pending) = tokio::join!(ask(&busy), ask(&pending));
    let Err(InvokeError::Throttled(words)) = busy else { panic!("{busy:?}") };
    assert_eq!(words, "TooManyRequestsException: Rate Exceeded.");
    assert!(matches!(&pending, Err(InvokeError::NotInvoked(_))), "{pending:?}");
}

#[tokio::test]
async fn codedeploy_is_told_again_when_it_stumbles_and_a_refusal_fails_loudly() {
    let stage = Stage::new().await;
    let codedeploy = Server::start(&[500, 500]).await;
    stage.hook(&codedeploy).await.handle(event(), 0).await.unwrap();
    let reports = codedeploy.reports();
    assert_eq!(reports.len(), 3);
    assert!(reports.iter().all(|report| report["status"] == "Succeeded"), "{reports:?}");

    let codedeploy = Server::start(&[400]).await;
    let error = stage.hook(&codedeploy).await.handle(event(), 0).await.unwrap_err();
    assert!(error.to_string().contains("InvalidLifecycleEventHookExecutionId"), "{error}");
}
