//! From API Gateway's events to an axum router and back.
//!
//! `lambda_http` does the work. It assembles a URL from the client's `Host` and `X-Forwarded-Proto` headers and panics
//! when they do not make one, or when the query is not fit for a URI; none of that is of use here, so it is taken out
//! before. A stranger's bytes end as an answer, not as a caught panic and a 500.

use std::time::Duration;

use axum::Router;
use http_body_util::BodyExt as _;
use lambda_http::{
    Adapter, Body, Error, Request, Response,
    aws_lambda_events::apigw::ApiGatewayV2httpRequest,
    http::{Uri, header},
    lambda_runtime::LambdaEvent,
    request::LambdaRequest,
    service_fn,
    tower::{ServiceBuilder, ServiceExt as _},
};

use crate::telemetry;

/// Longer paths have nothing behind them. (API Gateway allows about 10 KB for the request line and headers together.)
const LONGEST_PATH: usize = 8 * 1024;

/// Serves `router` to Lambda until the environment ends.
pub async fn serve(router: Router) -> Result<(), Error> {
    let router = super::layered(router);
    let service = ServiceBuilder::new()
        .map_request(|event: LambdaEvent<LambdaRequest>| LambdaEvent { payload: tame(event.payload), ..event })
        .service(Adapter::from(service_fn(move |request: Request| answer(router.clone(), request))));
    tokio::spawn(tick());
    // As a task of its own: waking it is then a push to a queue, where waking the future of `main` is a system call.
    tokio::spawn(telemetry::run(service)).await?
}

/// A timer that is nearly always the next one. Setting a later one, as each event does for its deadlines, then needs no
/// system calls to wake the poller up.
async fn tick() {
    let mut often = tokio::time::interval(Duration::from_secs(5));
    loop {
        often.tick().await;
    }
}

/// The router's answer with its body complete: API Gateway takes answers whole.
async fn answer(router: Router, request: Request) -> Result<Response<Body>, Error> {
    let (parts, body) = router.oneshot(request).await?.into_parts();
    let bytes = body.collect().await?.to_bytes();
    let body = String::from_utf8(bytes.into()).map_or_else(|binary| Body::Binary(binary.into_bytes()), Body::Text);
    Ok(Response::from_parts(parts, body))
}

/// Takes everything out of the event that `lambda_http` cannot make a request of.
pub fn tame(request: LambdaRequest) -> LambdaRequest {
    match request {
        LambdaRequest::ApiGatewayV2(event) => LambdaRequest::ApiGatewayV2(tame_v2(event)),
        other => other,
    }
}

fn tame_v2(mut event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpRequest {
    event.headers.remove(header::HOST);
    event.headers.remove("x-forwarded-proto");
    event.request_context.domain_name = None;
    // The stage would be put in front of the path.
    event.request_context.stage = None;
    let path_fits = event.raw_path.as_deref().is_some_and(|path| path.starts_with('/') && path.len() <= LONGEST_PATH);
    if !path_fits {
        event.raw_path = Some("/".into());
    }
    let query_fits = event.raw_query_string.as_deref().is_some_and(|query| format!("/?{query}").parse::<Uri>().is_ok());
    if !query_fits {
        event.raw_query_string = Some(String::new());
    }
    if event.is_base64_encoded && event.body.as_deref().is_some_and(|body| !is_base64(body)) {
        event.body = None;
    }
    event
}

fn is_base64(text: &str) -> bool {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.decode(text).is_ok()
}

#[cfg(test)]
mod tests {
    use lambda_http::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn request(
        path: Option<String>,
        query: Option<String>,
        host: &[u8],
        body: Option<String>,
        base64: bool,
    ) -> Request {
        let mut event = ApiGatewayV2httpRequest::default();
        event.raw_path = path;
        event.raw_query_string = query;
        event.body = body;
        event.is_base64_encoded = base64;
        if let Ok(host) = HeaderValue::from_bytes(host) {
            event.headers.insert(header::HOST, host.clone());
            event.headers.insert("x-forwarded-proto", host);
        }
        tame(LambdaRequest::ApiGatewayV2(event)).into()
    }

    #[test]
    fn a_path_with_spaces_and_a_hostile_host_become_a_request() {
        let request = request(Some("/webhooks/a b%zz".into()), Some("a=b c".into()), b"[x", None, false);
        assert_eq!(request.uri().path(), "/webhooks/a%20b%zz");
        assert_eq!(request.uri().query(), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            path in proptest::option::of(".{0,100}"),
            query in proptest::option::of(".{0,100}"),
            host in proptest::collection::vec(any::<u8>(), 0..50),
            body in proptest::option::of(".{0,50}"),
            base64: bool,
        ) {
            let _ = request(path.map(|path| format!("/{path}")), query.clone(), &host, body.clone(), base64);
            let _ = request(query, None, &host, body, base64);
        }
    }
}
