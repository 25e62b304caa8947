//! The runtime's loop over invocations, with spans sent after each.

use std::{fmt::Debug, pin::Pin, task};

use axum::body::Bytes;
use futures_util::{
    FutureExt as _, Stream,
    future::{BoxFuture, Then},
};
use lambda_runtime::{
    Diagnostic, Error, IntoFunctionResponse, LambdaEvent, LambdaInvocation, Runtime, layers::TracingLayer,
};
use serde::{Deserialize, Serialize};
use tower::{Layer, Service};

use super::export::flush;

/// As `lambda_runtime::run`, for a process that may export spans.
pub async fn run<A, F, R, B, S, D, E>(handler: F) -> Result<(), Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: IntoFunctionResponse<B, S>,
    B: Serialize,
    S: Stream<Item = Result<D, E>> + Unpin + Send + 'static,
    D: Into<Bytes> + Send,
    E: Into<Error> + Send + Debug,
{
    Runtime::new(handler).layer(TracingLayer::new()).layer(Flushing).run().await
}

/// The outermost layer: what is inside of it has sent the answer and closed its spans.
struct Flushing;

impl<S> Layer<S> for Flushing {
    type Service = Flushed<S>;

    fn layer(&self, inner: S) -> Flushed<S> {
        Flushed(inner)
    }
}

struct Flushed<S>(S);

type Invoked = Result<(), Error>;

impl<S> Service<LambdaInvocation> for Flushed<S>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
{
    type Response = ();
    type Error = Error;
    type Future = Then<S::Future, BoxFuture<'static, Invoked>, fn(Invoked) -> BoxFuture<'static, Invoked>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> task::Poll<Invoked> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        self.0.call(invocation).then(flushed)
    }
}

fn flushed(invoked: Invoked) -> BoxFuture<'static, Invoked> {
    let flushed: Pin<Box<_>> = Box::pin(async {
        flush().await;
        invoked
    });
    flushed
}
