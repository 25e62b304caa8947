//! CloudFormation's response URL: a presigned S3 URL that takes one PUT. Whoever knows it can answer in our place, so it is
//! never logged.
//!
//! Anyone who may invoke the function writes its event, so it calls nothing but Amazon's own hosts.

use std::time::Duration;

use reqwest::{Client, StatusCode, header, redirect, retry};
use shared::errors::chain;
use tokio::time::sleep;
use url::{Host, Url};

/// All attempts and pauses take less than 9 s together.
const ATTEMPT: Duration = Duration::from_secs(2);
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(300), Duration::from_millis(500)];
const AMAZON: [&str; 2] = [".amazonaws.com", ".amazonaws.com.cn"];

/// Where answers may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    #[default]
    Amazon,
    /// And this machine itself, for tests: `MIGRATE_ALLOW_LOOPBACK=true`.
    AmazonAndLoopback,
}

#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    #[error("the response URL is refused: {0}")]
    Refused(&'static str),
    #[error("CloudFormation was not answered: {0}")]
    Failed(String),
}

pub struct Responder {
    client: Client,
    reach: Reach,
}

impl Responder {
    pub fn new(reach: Reach) -> reqwest::Result<Self> {
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .timeout(ATTEMPT)
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { client, reach })
    }

    /// The URL, if it may be answered.
    pub fn admit(&self, url: &str) -> Result<Url, ResponseError> {
        let url: Url = url.parse().map_err(|_| ResponseError::Refused("it is no URL"))?;
        let loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            _ => false,
        };
        if loopback && self.reach == Reach::AmazonAndLoopback {
            return Ok(url);
        }
        let Some(Host::Domain(host)) = url.host() else { return Err(ResponseError::Refused("it names no host")) };
        if url.scheme() != "https" || url.port().is_some() {
            return Err(ResponseError::Refused("it is not https on its usual port"));
        }
        if !AMAZON.iter().any(|suffix| host.ends_with(suffix)) {
            return Err(ResponseError::Refused("its host is not Amazon's"));
        }
        Ok(url)
    }

    /// Puts `body` there. Tried again after what may pass; a 4xx will not.
    pub async fn put(&self, url: &Url, body: &str) -> Result<(), ResponseError> {
        let mut pauses = PAUSES.iter();
        loop {
            let problem = match self.put_once(url, body).await {
                Ok(status) if status.is_success() => return Ok(()),
                Ok(status) if !may_pass(status) => return Err(ResponseError::Failed(format!("it said {status}"))),
                Ok(status) => format!("it said {status}"),
                Err(error) => chain(&error.without_url()),
            };
            let Some(pause) = pauses.next() else { return Err(ResponseError::Failed(problem)) };
            tracing::warn!(problem, "CloudFormation was not answered; trying again");
            sleep(*pause).await;
        }
    }

    async fn put_once(&self, url: &Url, body: &str) -> reqwest::Result<StatusCode> {
        // The URL is signed for a request without a Content-Type.
        let request = self.client.put(url.clone()).header(header::CONTENT_TYPE, "").body(body.to_owned());
        Ok(request.send().await?.status())
    }
}

fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/arn%3Aaws%3Acloudformation?X-Amz-Signature=a%2Fb";

    #[test]
    fn only_amazons_hosts_are_answered_and_the_signed_url_stays_as_it_is() {
        let responder = Responder::new(Reach::Amazon).unwrap();
        assert_eq!(responder.admit(GOOD).unwrap().as_str(), GOOD);
        assert!(responder.admit("https://bucket.s3.cn-north-1.amazonaws.com.cn/x").is_ok());
        for refused in [
            "",
            "x",
            "http://bucket.s3.amazonaws.com/",
            "https://bucket.s3.amazonaws.com:8443/",
            "https://amazonaws.com.example.org/",
            "https://evilamazonaws.com/",
            "https://bucket.s3.amazonaws.com./",
            "https://bucket.s3.amazonaws.com@example.org/",
            "https://example.org/?.amazonaws.com",
            "https://example.org#.amazonaws.com",
            "https://127.0.0.1/",
            "http://127.0.0.1/",
            "http://[::1]/",
            "https://169.254.169.254/",
            "file:///etc/passwd",
        ] {
            assert!(responder.admit(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn the_switch_opens_the_loopback_address_and_nothing_else() {
        let responder = Responder::new(Reach::AmazonAndLoopback).unwrap();
        assert!(responder.admit("http://127.0.0.1:1/x").is_ok() && responder.admit(GOOD).is_ok());
        assert!(responder.admit("http://localhost/").is_err() && responder.admit("http://10.0.0.1/").is_err());
    }
}
