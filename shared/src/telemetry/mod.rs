//! Logs: one JSON object a line, with the fields of all open spans (correlation id, execution id, request id) on top.
//!
//! At `info` and above there is no payload and never a secret: secrets are [`secrecy::SecretString`]s, which print as
//! `[REDACTED]`.
//!
//! Traces: an event takes its [`TraceParent`] along wherever it goes, and with an endpoint for them (`export.rs`) our spans go to
//! a collector. Without one, X-Ray's trace id (`xrayTraceId`) is on every line, by the runtime's own span. Metrics are
//! [`crate::metrics`]'s.

mod export;
mod run;
mod trace_parent;

pub use export::{continued, trace_parent_of};
pub use run::run;
pub use trace_parent::{NoTraceParent, TRACE_PARENT, TraceParent};

use std::{panic::PanicHookInfo, str::FromStr};

use json_subscriber::JsonLayer;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::{Layered, SubscriberExt as _},
    util::SubscriberInitExt as _,
};
use url::Url;

use export::Exporting;

/// The target of spans that carry what an event is known by. They are there at every log level.
pub const SPAN: &str = "span";
/// The target of spans within those: steps on an event's way. They are there when they are exported.
pub const STEP: &str = "step";

use crate::config::Env;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

impl FromStr for LogLevel {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            _ => Err(()),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Json,
    /// For a person at a terminal.
    Text,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(()),
        }
    }
}

/// Sends this process's log lines to standard output. Call it once, first thing in `main`.
pub fn init(level: LogLevel, format: LogFormat) {
    init_traced(level, format, "", None);
}

/// As [`init`]; and sends the spans of `function` to the collector at `endpoint`, if there is one. Then [`run()`] has to drive the
/// function.
pub fn init_traced(level: LogLevel, format: LogFormat, function: &'static str, endpoint: Option<&Url>) {
    let (exporting, fault) = match endpoint.map(|endpoint| Exporting::new(function, endpoint)).transpose() {
        Ok(exporting) => (exporting, None),
        Err(error) => (None, Some(error)),
    };
    let steps = if exporting.is_some() { LevelFilter::INFO } else { LevelFilter::OFF };
    let filter = filter(level).with_target(STEP, steps);
    let installed = match format {
        LogFormat::Json => {
            let lines = Registry::default().with(filter).with(json(std::io::stdout));
            lines.with(exporting.as_ref().map(Exporting::layer)).try_init()
        }
        LogFormat::Text => {
            let text = tracing_subscriber::fmt::layer().with_target(false).compact().without_time();
            // A person at a terminal does not wait for jobs that went well.
            let lines = Registry::default().with(filter.with_target(JOB, LevelFilter::WARN)).with(text);
            lines.with(exporting.as_ref().map(Exporting::layer)).try_init()
        }
    };
    if let Err(error) = installed {
        eprintln!("logging was set up twice: {error}");
    }
    std::panic::set_hook(Box::new(tell_panic));
    if let Some(exporting) = exporting {
        exporting.install();
    }
    if let Some(error) = fault {
        tracing::error!(%error, "spans are not exported");
    }
}

/// A line of the log, with the ids of its event. Nobody wrote a panic's words for others: an `unwrap` prints whatever it holds. So they are
/// told as the title that the table of errors has.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let error = crate::errors::title(panic.payload_as_str().unwrap_or("no message"));
    tracing::error!(place, error, "panicked");
}

/// Where we are in the trace: the current span, if spans are exported.
pub fn here() -> Option<TraceParent> {
    trace_parent_of(&tracing::Span::current())
}

/// The JSON lines, with the function's name, written to `writer`.
pub fn json<W>(writer: W) -> impl Layer<Layered<Targets, Registry>>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let mut layer = JsonLayer::new(writer);
    layer.with_timer("timestamp", tracing_subscriber::fmt::time::SystemTime);
    layer.with_level("level");
    layer.add_static_field("service", serde_json::Value::from("solo-os"));
    // Lambda's name for it. In the cloud the log group says so, too; locally all functions share one log.
    if let Some(function) = Env::of_process().optional("AWS_LAMBDA_FUNCTION_NAME") {
        layer.add_static_field("function", serde_json::Value::from(function));
    }
    layer.with_flattened_event();
    layer.with_top_level_flattened_span_list();
    layer.with_target("target");
    layer
}

/// The target of [`job_succeeded`]'s lines.
const JOB: &str = "job";

/// Says that a scheduled job did what it should, at every log level: `template.yaml` makes a metric of these lines, and an
/// alarm of their absence.
pub fn job_succeeded(job: &str) {
    tracing::info!(target: JOB, job, outcome = "succeeded");
}

/// Our own crates: each function and what they share.
const OURS: [&str; 12] = [
    "shared",
    "app",
    "backup",
    "cleanup",
    "courier",
    "health",
    "migrate",
    "ops",
    "reconcile",
    "smoke",
    "webhooks",
    "worker",
];

/// Our own lines from `level` up; of the libraries only warnings, whose debug lines quote requests. By targets alone: what the variable
/// `RUST_LOG` can say besides takes an engine for regular expressions.
pub fn filter(level: LogLevel) -> Targets {
    let ours = match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    Targets::new()
        .with_default(if level == LogLevel::Error { LevelFilter::ERROR } else { LevelFilter::WARN })
        .with_targets(OURS.map(|name| (name, ours)))
        .with_targets([SPAN, JOB].map(|name| (name, LevelFilter::INFO)))
        // The runtime's span carries the request id; it exists only while `info` is on for it.
        .with_target("lambda_runtime::layers::trace", LevelFilter::INFO)
}
