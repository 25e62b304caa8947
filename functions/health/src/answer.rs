//! What `/health` says, and how (draft-inadarei-api-health-check-06, `application/health+json`).
//!
//! Everyone gets `status`. Whoever has the token also gets `version`, `uptime_seconds`, `memory`,
//! `last_deployment`, `dependencies`. Of the draft there is beside them what programs look for that know it: `releaseId`, and
//! `checks`, each with `componentType`, `observedValue`, `observedUnit`, `status`, `time`, and `output` for what is wrong.
//!
//! Our own words come first: `status` is healthy, degraded, unhealthy (the draft: pass, warn, fail, which the `checks` have).
//! Deliberately absent of the draft: `serviceId` (an API is one service, and its URL says which), `links`, `notes`, `description`.
//!
//! | out | `status` | code | why |
//! |---|---|---|---|
//! | database | unhealthy | 503 | nothing is handled until it is back; what comes waits in the queue |
//! | queue, or storage | degraded | 200 | webhooks are answered by the database; what they stand in for is the database's outage |
//! | memory over its threshold | degraded | 200 | it still answers |
//!
//! `last_deployment` is null when there was none, and missing when it could not be read.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use crate::{deployment::LastDeployment, memory::Memory, probes::Probe};

const HEALTH_JSON: &str = "application/health+json";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Healthy,
    Degraded,
    Unhealthy,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    fn code(self) -> StatusCode {
        if self == Self::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    }

    pub fn of_database(database: &Probe) -> Self {
        if database.is_ok() { Self::Healthy } else { Self::Unhealthy }
    }
}

/// Everything that was found.
pub struct Found {
    pub database: Probe,
    pub queue: Probe,
    pub storage: Probe,
    pub memory: Memory,
}

impl Found {
    pub fn status(&self) -> Status {
        match Status::of_database(&self.database) {
            Status::Healthy if !self.queue.is_ok() || !self.storage.is_ok() || self.memory.is_over() => {
                Status::Degraded
            }
            status => status,
        }
    }

    fn probes(&self) -> [(&'static str, &'static str, &Probe); 3] {
        [
            ("database", "datastore", &self.database),
            ("queue", "component", &self.queue),
            ("storage", "datastore", &self.storage),
        ]
    }
}

/// What is told of this environment besides.
pub struct About<'a> {
    pub release: Option<&'a str>,
    pub uptime: Duration,
    pub last_deployment: LastDeployment,
}

pub fn details(found: &Found, about: &About<'_>) -> Value {
    let Memory { used, limit, threshold } = found.memory;
    let mut body = json!({
        "status": found.status().as_str(),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": about.uptime.as_secs(),
        "memory": {"used": used, "limit": limit, "threshold": threshold, "unit": "bytes"},
        "dependencies": {},
        "checks": {
            "uptime": [{"componentType": "system", "status": "pass", "observedValue": about.uptime.as_secs(), "observedUnit": "s"}],
            "memory:utilization": [{
                "componentType": "system", "status": if found.memory.is_over() { "warn" } else { "pass" },
                "observedValue": used, "observedUnit": "bytes",
            }],
        },
    });
    if let Some(release) = about.release {
        body["releaseId"] = json!(release);
    }
    match &about.last_deployment {
        LastDeployment::Unknown => {}
        LastDeployment::Never => body["last_deployment"] = Value::Null,
        LastDeployment::Was(deployment) => body["last_deployment"] = deployment.clone(),
    }
    for (name, kind, probe) in found.probes() {
        let latency = u64::try_from(probe.latency.as_millis()).unwrap_or(u64::MAX);
        body["dependencies"][name] =
            json!({"status": if probe.is_ok() { "ok" } else { "fail" }, "latency_ms": latency});
        body["checks"][format!("{name}:responseTime")] = json!([check(kind, latency, probe)]);
    }
    body
}

fn check(kind: &str, latency: u64, probe: &Probe) -> Value {
    let mut check = json!({
        "componentType": kind, "observedValue": latency, "observedUnit": "ms", "time": probe.at.to_string(),
        "status": if probe.is_ok() { "pass" } else { "fail" },
    });
    if let Some(fault) = probe.fault {
        check["output"] = json!(fault.as_str());
    }
    check
}

/// To whom an answer may be told again, for as long as what was found is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// By every cache on the way.
    Everyone,
    /// Whoever had the token, alone.
    Caller,
}

impl Audience {
    pub fn cache_control(self, kept_for: Duration) -> HeaderValue {
        let private = if self == Self::Caller { "private, " } else { "" };
        let text = format!("{private}max-age={}", kept_for.as_secs());
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("no-store"))
    }
}

/// Just the status.
pub fn brief(status: Status, kept_for: Duration) -> Response {
    whole(status, &json!({"status": status.as_str()}), Audience::Everyone, kept_for)
}

pub fn whole(status: Status, body: &Value, audience: Audience, kept_for: Duration) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(HEALTH_JSON)),
        (header::CACHE_CONTROL, audience.cache_control(kept_for)),
        (header::VARY, HeaderValue::from_static("authorization")),
    ];
    (status.code(), headers, body.to_string()).into_response()
}

/// That the process answers. From nobody's cache: a dead process must not seem alive.
pub fn alive() -> Response {
    let body = json!({"status": Status::Healthy.as_str()}).to_string();
    ([(header::CONTENT_TYPE, HeaderValue::from_static(HEALTH_JSON))], body).into_response()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::probes::Fault;

    fn found(out: &[&str]) -> Found {
        let probe = |name| {
            let fault = out.contains(&name).then_some(Fault::Failed);
            Probe { fault, latency: Duration::ZERO, at: Timestamp::UNIX_EPOCH }
        };
        let used = if out.contains(&"memory") { 101 } else { 99 };
        let memory = Memory { used: Some(used), limit: None, threshold: 100 };
        Found { database: probe("database"), queue: probe("queue"), storage: probe("storage"), memory }
    }

    #[test]
    fn only_the_database_makes_it_unhealthy() {
        let all = ["database", "queue", "storage", "memory"];
        for set in 0..16_usize {
            let out: Vec<_> =
                all.into_iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, name)| name).collect();
            let expected = match set {
                0 => (Status::Healthy, 200),
                _ if out.contains(&"database") => (Status::Unhealthy, 503),
                _ => (Status::Degraded, 200),
            };
            let status = found(&out).status();
            assert_eq!((status, status.code().as_u16()), expected, "{out:?}");
        }
    }
}
