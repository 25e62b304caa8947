//! Spans to a collector, over OTLP and HTTP. Nothing of it is started without an endpoint.
//!
//! Spans are collected while an invocation runs, and sent when its answer is out, in half a second or not at all: a collector
//! that is gone costs an event nothing and an environment half a second in every thirty, one that is slow a twentieth of its time. No thread
//! of ours is started: Lambda
//! freezes the process between events, and a thread in the middle of a request with it. So the SDK's own batch
//! processor is not used, nor the runtime's layer for OpenTelemetry, which flushes in a function that blocks.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::{http::HttpConnector as _, orchestrator::HttpRequest};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Limited};
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracerProvider, Span as SdkSpan, SpanData, SpanExporter as _, SpanProcessor},
};
use tokio::time::{Instant, timeout};
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};
use url::Url;

use super::TraceParent;

/// How long the collector may take for the spans of one invocation.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);
/// After a failure nothing is sent for so long.
const REST: Duration = Duration::from_secs(30);
/// One that takes longer than this is slow, and has a rest of so many times as long as it took.
const FAST: Duration = Duration::from_millis(100);
const SLOW_RESTS: u32 = 20;
/// More spans of one invocation are left out: about 1 MB.
const MOST_SPANS: usize = 2_000;
/// Of the collector's answer, which says nothing that is of use.
const LARGEST_ANSWER: usize = 64 * 1024;

static EXPORTING: OnceLock<Exporting> = OnceLock::new();

pub(super) struct Exporting {
    exporter: SpanExporter,
    ended: Ended,
    /// Kept: with its last copy it is shut down.
    provider: SdkTracerProvider,
    resting_until: Mutex<Option<Instant>>,
}

/// Spans that have ended and were not sent yet.
#[derive(Clone, Debug, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl Ended {
    fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let mut ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() < MOST_SPANS {
            ended.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Exporting {
    pub fn new(function: &'static str, endpoint: &Url) -> Result<Self, ExporterBuildError> {
        let url = format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'));
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url)
            .with_timeout(FLUSH_WITHIN)
            .with_retry_policy(once_more_at_once())
            .build()?;
        let resource = Resource::builder_empty()
            .with_attributes([KeyValue::new("service.name", "solo-os"), KeyValue::new("faas.name", function)])
            .build();
        exporter.set_resource(&resource);
        let ended = Ended::default();
        let provider = SdkTracerProvider::builder().with_span_processor(ended.clone()).with_resource(resource).build();
        Ok(Self { exporter, ended, provider, resting_until: Mutex::default() })
    }

    /// Of spans only: what is logged in them stays in the log.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'l> LookupSpan<'l>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("solo-os"))
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_span))
    }

    pub fn install(self) {
        // A second one is never made.
        let _first = EXPORTING.set(self);
    }

    async fn flush(&self) {
        let spans = self.ended.take();
        let resting_until = *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.is_empty() || resting_until.is_some_and(|end| Instant::now() < end) {
            return;
        }
        let began = Instant::now();
        let rest = match timeout(FLUSH_WITHIN, self.exporter.export(spans)).await {
            Ok(Ok(())) if began.elapsed() <= FAST => return,
            Ok(Ok(())) => began.elapsed() * SLOW_RESTS,
            Ok(Err(error)) => lost(&error.to_string()),
            Err(_) => lost("the collector does not answer"),
        };
        *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + rest);
    }
}

fn lost(error: &str) -> Duration {
    tracing::warn!(error, "spans are lost; none are sent for a while");
    REST
}

/// A kept connection may have died while the process was frozen. No wait: the exporter's own would stop the process's only thread.
fn once_more_at_once() -> RetryPolicy {
    RetryPolicy::default().with_max_retries(1).with_initial_delay(Duration::ZERO).with_max_jitter(Duration::ZERO)
}

fn is_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
}

/// Sends what ended since the last time, within half a second.
pub(super) async fn flush() {
    if let Some(exporting) = EXPORTING.get() {
        exporting.flush().await;
    }
}

/// Makes `span` a part of its trace. To be called before the span is entered.
#[must_use]
pub fn continued(span: Span, parent: Option<TraceParent>) -> Span {
    if let (Some(parent), true) = (parent, EXPORTING.get().is_some()) {
        let flags = if parent.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let (trace_id, span_id) = (TraceId::from(parent.trace_id), SpanId::from(parent.span_id));
        let remote = SpanContext::new(trace_id, span_id, flags, true, TraceState::default());
        if let Err(error) = span.set_parent(Context::new().with_remote_span_context(remote)) {
            tracing::debug!(%error, "a span stays outside of its trace");
        }
    }
    span
}

/// What is to follow in `span`'s trace says so with this. `None` when nothing is exported.
pub fn trace_parent_of(span: &Span) -> Option<TraceParent> {
    EXPORTING.get()?;
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| TraceParent {
        trace_id: u128::from_be_bytes(context.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(context.span_id().to_bytes()),
        sampled: context.is_sampled(),
    })
}

/// The AWS SDK's, which is there already, with its TLS.
#[derive(Debug)]
struct Client(Connector);

impl Client {
    fn new() -> Self {
        let rustls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        Self(Connector::builder().tls_provider(rustls).build())
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = HttpRequest::try_from(request.map(SdkBody::from))?;
        let response = self.0.call(request).await?.try_into_http1x()?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}
