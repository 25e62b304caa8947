//! Logs: one JSON object a line, with the fields of all open spans (correlation id, execution id, request id) on top.
//!
//! At `info` and above there is no payload and never a secret: secrets are [`secrecy::SecretString`]s, which print as
//! `[REDACTED]`. Deliberately absent for now: metrics and traces.

use std::str::FromStr;

use json_subscriber::JsonLayer;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

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
    let installed = match format {
        LogFormat::Json => Registry::default().with(filter(level)).with(json(std::io::stdout)).try_init(),
        LogFormat::Text => {
            let text = tracing_subscriber::fmt::layer().with_target(false).compact().without_time();
            // A person at a terminal does not wait for jobs that went well.
            Registry::default().with(EnvFilter::new(format!("{},{JOB}=warn", directives(level)))).with(text).try_init()
        }
    };
    if let Err(error) = installed {
        eprintln!("logging was set up twice: {error}");
    }
}

/// The JSON lines, with the function's name, written to `writer`.
pub fn json<W>(writer: W) -> impl Layer<tracing_subscriber::layer::Layered<EnvFilter, Registry>>
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

/// Our own lines from `level` up; of the libraries only warnings, whose debug lines quote requests.
pub fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(format!("{},{JOB}=info", directives(level)))
}

fn directives(level: LogLevel) -> String {
    let level = match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    let ours = [
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
    let quiet = if level == "error" { "error" } else { "warn" };
    let directives = ours.iter().fold(quiet.to_owned(), |all, name| format!("{all},{name}={level}"));
    // The runtime's span carries the request id; it exists only while `info` is on for it.
    format!("{directives},lambda_runtime::layers::trace=info")
}
