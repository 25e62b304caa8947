//! How much one client may send to one environment (GCRA, by `governor`).
//!
//! The API Gateway throttles a whole route; this keeps one client from using it up alone. It counts within one
//! environment only: with n environments a client gets n times the rate. That is a bound, not a quota.

use std::{net::IpAddr, time::Duration};

use axum::{extract::Request, http::StatusCode};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};
use lambda_http::{RequestExt as _, request::RequestContext};

use super::Problem;
use crate::config::Limits;

/// How many clients are remembered before the idle ones are forgotten.
const MOST_CLIENTS: usize = 10_000;

pub struct ClientLimiter {
    limiter: DefaultKeyedRateLimiter<Option<IpAddr>>,
}

impl ClientLimiter {
    pub fn new(limits: &Limits) -> Self {
        let quota = Quota::per_second(limits.requests_per_second).allow_burst(limits.burst);
        Self { limiter: RateLimiter::keyed(quota) }
    }

    /// Counts a request of `client`. The wait until the next one is allowed when this one is too many.
    pub fn check(&self, client: Option<IpAddr>) -> Result<(), Duration> {
        if self.limiter.len() > MOST_CLIENTS {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&client).map_err(|too_many| too_many.wait_time_from(self.limiter.clock().now()))
    }
}

/// 429 with the time to wait.
pub fn too_many(wait: Duration) -> Problem {
    let detail = "This address sends too many requests.";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_after(wait)
}

/// The address that API Gateway saw. Not from a header: anyone can write those.
pub fn client_address(request: &Request) -> Option<IpAddr> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.as_deref()?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn a_client_is_stopped_after_its_burst_and_others_are_not() {
        let one = NonZeroU32::MIN;
        let limits = Limits { requests_per_second: one, burst: NonZeroU32::new(3).unwrap(), ..Limits::default() };
        let limiter = ClientLimiter::new(&limits);
        let (greedy, modest) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        assert!((0..3).all(|_| limiter.check(greedy).is_ok()));
        let wait = limiter.check(greedy).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert!(limiter.check(modest).is_ok());
    }
}
