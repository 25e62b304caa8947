//! The smallest function on the same runtime: what the start of `webhooks` is measured against.

use lambda_http::{Body, Error, Request, Response, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |_request: Request| -> Result<Response<Body>, Error> {
        Ok(Response::new(Body::from("hello")))
    }))
    .await
}
