//! Requests to services of AWS for which there is no SDK here: JSON, signed (Signature Version 4) with the stage's credentials.
//!
//! One operation each of three services is wanted; an SDK crate has all of its service, and each would be felt in every build.
//! Deliberately absent: everything that a request with one JSON object and one answer does not need.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_credential_types::{Credentials, provider::ProvideCredentials as _};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use serde_json::Value;
use shared::{clock, errors::chain};
use tokio::time::sleep;

use super::{
    Cloud,
    words::{refusal, unsent},
};

const TRIES: u32 = 5;
const WITHIN: Duration = Duration::from_secs(20);
/// A page of log lines has 1 MB, and JSON writes some of their characters as six.
const LARGEST: usize = 16 << 20;

/// A service that takes JSON and names its operations in a header.
#[derive(Clone, Copy, Debug)]
pub struct Api {
    /// As in its host name and its signatures.
    service: &'static str,
    /// There is one for all regions of a partition, in one of them.
    global: bool,
    target: &'static str,
    /// Its form of JSON.
    content_type: &'static str,
}

impl Api {
    /// CloudWatch Logs.
    pub const LOGS: Self = Self::of("logs", "Logs_20140328", "application/x-amz-json-1.1");
    /// CloudWatch, which speaks JSON besides its older protocol.
    pub const ALARMS: Self = Self::of("monitoring", "GraniteServiceVersion20100801", "application/x-amz-json-1.0");
    /// AWS Budgets.
    pub const BUDGETS: Self =
        Self { global: true, ..Self::of("budgets", "AWSBudgetServiceGateway", "application/x-amz-json-1.1") };

    const fn of(service: &'static str, target: &'static str, content_type: &'static str) -> Self {
        Self { service, global: false, target, content_type }
    }

    fn region(self, stage: &str) -> &str {
        match (self.global, stage.starts_with("cn-")) {
            (false, _) => stage,
            (true, false) => "us-east-1",
            (true, true) => "cn-northwest-1",
        }
    }

    fn endpoint(self, region: &str) -> String {
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let host = if self.global { self.service.to_owned() } else { format!("{}.{region}", self.service) };
        format!("https://{host}.{suffix}")
    }
}

#[derive(Debug)]
pub enum CallError {
    /// The service's own name for why not, such as `ResourceNotFoundException`.
    Refused { code: String, message: String },
    /// It never answered, or nothing that can be understood.
    Failed(anyhow::Error),
}

impl CallError {
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Failed(_) => None,
        }
    }

    /// With what was tried: "the logs could not be read".
    pub fn explain(self, what: impl Into<String>) -> anyhow::Error {
        match self {
            Self::Refused { code, message } => anyhow!(refusal(&code, &message)),
            Self::Failed(error) => error,
        }
        .context(what.into())
    }

    fn is_passing(&self) -> bool {
        let passing = ["Throttl", "TooManyRequests", "LimitExceeded", "ServiceUnavailable", "InternalFailure"];
        self.code().is_some_and(|code| passing.iter().any(|sign| code.contains(sign)))
    }
}

impl Cloud {
    /// Asks for one operation. It must change nothing: it is repeated when the service is busy.
    pub async fn call(&self, api: Api, operation: &str, request: &Value) -> Result<Value, CallError> {
        let client = reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).timeout(WITHIN).build();
        let client = client.map_err(|error| CallError::Failed(error.into()))?;
        let mut tries = 1;
        loop {
            match self.call_once(&client, api, operation, request).await {
                Err(error) if error.is_passing() && tries < TRIES => {
                    let pause = Duration::from_millis(300 * 2_u64.pow(tries)).mul_f64(0.5 + fastrand::f64());
                    sleep(pause).await;
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    async fn call_once(
        &self,
        client: &reqwest::Client,
        api: Api,
        operation: &str,
        request: &Value,
    ) -> Result<Value, CallError> {
        let request = self.request(client, api, operation, request).await.map_err(CallError::Failed)?;
        let sent = client.execute(request).await;
        let mut answer = sent.map_err(|error| CallError::Failed(anyhow!(unsent(&chain(&error)))))?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| CallError::Failed(error.into()))? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                return Err(CallError::Failed(anyhow!("AWS answers with more than {} MB", LARGEST >> 20)));
            }
        }
        let status = answer.status();
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() && said.is_object() {
            return Ok(said);
        }
        let header = answer.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        Err(refused(status, header, &said))
    }

    async fn request(
        &self,
        client: &reqwest::Client,
        api: Api,
        operation: &str,
        request: &Value,
    ) -> anyhow::Result<reqwest::Request> {
        let credentials = self.credentials().await?;
        let url = self.config().endpoint_url().map_or_else(|| api.endpoint(&self.settings.region), str::to_owned);
        let url = format!("{}/", url.trim_end_matches('/'));
        let (target, body) = (format!("{}.{operation}", api.target), serde_json::to_vec(request)?);
        let headers = [("content-type", api.content_type), ("x-amz-target", &*target)];
        let signature = signature(credentials, api.region(&self.settings.region), api.service, &url, headers, &body)?;
        let mut request = client.post(&url).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        for (name, value) in signature {
            request = request.header(name, value);
        }
        Ok(request.build()?)
    }
}

impl Cloud {
    async fn credentials(&self) -> anyhow::Result<Credentials> {
        let provider = self.config().credentials_provider().context("there are no AWS credentials")?;
        provider.provide_credentials().await.map_err(|error| anyhow!(unsent(&chain(&error))))
    }

    /// Has the credentials ready, however long whoever gives them takes: what is asked with them has its own, shorter time.
    pub async fn sign_in(&self) -> anyhow::Result<()> {
        self.credentials().await.map(drop)
    }
}

/// The headers that prove who asks.
fn signature(
    credentials: Credentials,
    region: &str,
    service: &str,
    url: &str,
    headers: [(&str, &str); 2],
    body: &[u8],
) -> anyhow::Result<Vec<(String, String)>> {
    let identity = credentials.into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(clock::now().into())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let signable = SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(body))?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// `{"__type": "com.amazonaws.logs#ThrottlingException", "message": "Rate exceeded"}`, or the header alone.
fn refused(status: http::StatusCode, header: Option<&str>, said: &Value) -> CallError {
    let kind = said["__type"].as_str().or(header);
    let Some(kind) = kind else {
        return CallError::Failed(anyhow!("AWS answers {status}, and does not say why"));
    };
    let code = kind.rsplit('#').next().unwrap_or(kind).split(':').next().unwrap_or(kind).to_owned();
    let message = said["message"].as_str().or(said["Message"].as_str());
    CallError::Refused { code, message: message.unwrap_or("no reason given").to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refusals_are_named() {
        let status = http::StatusCode::BAD_REQUEST;
        let full = json!({"__type": "com.amazonaws.logs#ThrottlingException", "message": "Rate exceeded"});
        let error = refused(status, None, &full);
        assert!(error.is_passing() && error.code() == Some("ThrottlingException"), "{error:?}");
        let headed = refused(status, Some("AccessDeniedException:http://x/"), &json!({"Message": "no"}));
        assert!(!headed.is_passing());
        let words = format!("{:#}", headed.explain("the logs could not be read"));
        assert!(words.starts_with("the logs could not be read: your AWS identity may not do that"), "{words}");
        assert!(matches!(refused(status, None, &Value::Null), CallError::Failed(_)));
    }

    #[test]
    fn a_request_is_signed_for_its_service_and_region() {
        let credentials = Credentials::new("AKID", "secret", Some("token".into()), None, "test");
        let headers = [("content-type", Api::LOGS.content_type), ("x-amz-target", "Logs_20140328.FilterLogEvents")];
        let url = "https://logs.eu-central-1.amazonaws.com/";
        let signed = signature(credentials, "eu-central-1", "logs", url, headers, b"{}").unwrap();
        let of = |name: &str| signed.iter().find(|(key, _)| key == name).unwrap().1.clone();
        let authorization = of("authorization");
        assert!(authorization.contains("/eu-central-1/logs/aws4_request"), "{authorization}");
        assert!(
            authorization.contains("content-type;host;x-amz-date;x-amz-security-token;x-amz-target"),
            "{authorization}"
        );
        assert_eq!(of("x-amz-security-token"), "token");
        assert!(!authorization.contains("secret"));
        assert_eq!(Api::BUDGETS.endpoint("eu-central-1"), "https://budgets.amazonaws.com");
        assert_eq!(
            (Api::BUDGETS.region("eu-central-1"), Api::LOGS.region("eu-central-1")),
            ("us-east-1", "eu-central-1")
        );
        assert_eq!(Api::BUDGETS.region("cn-north-1"), "cn-northwest-1");
        assert_eq!(Api::ALARMS.endpoint("eu-central-1"), "https://monitoring.eu-central-1.amazonaws.com");
        assert_eq!(Api::LOGS.endpoint("cn-north-1"), "https://logs.cn-north-1.amazonaws.com.cn");
    }
}
