//! One effect: looks up what it needs, sends it, and says what became of it.

use std::{future::Future, time::Duration};

use shared::{
    clock,
    outbox::{Effect, Notification, Outbound},
    telemetry,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    Courier,
    call::{self, Call},
    channels::{Mail, Parcel, Told, pack},
    tracker,
    verdict::{Answer, Trouble, Verdict, judge},
};

/// How long an effect may take.
pub(crate) fn time_limit(effect: &Effect) -> Duration {
    match effect {
        Effect::Http(request) => request.time_limit(),
        Effect::Notify(_) | Effect::Error(_) => call::TIME_LIMIT,
        Effect::Ping(_) => call::PING_LIMIT,
    }
}

impl Courier {
    /// Performs the effect. It ends at `until`, whatever happens.
    pub(crate) async fn perform(&self, outbound: &Outbound, until: Instant) -> Verdict {
        let parcel = match within(until, self.parcel(outbound)).await {
            Ok(parcel) => parcel,
            Err(trouble) => return judge(Err(trouble), clock::now()),
        };
        match parcel {
            Parcel::Mail(mail) => self.publish(mail, until).await,
            Parcel::Calls(calls) => self.send_all(calls, outbound, until).await,
        }
    }

    async fn parcel(&self, outbound: &Outbound) -> Result<Parcel, Trouble> {
        match &outbound.effect {
            Effect::Http(request) => Ok(Parcel::Calls(vec![Call::of_request(request, &self.vault).await?])),
            Effect::Ping(ping) => {
                let base = self.vault.one(&ping.secret).await?;
                Ok(Parcel::Calls(vec![Call::ping(&base, ping)?]))
            }
            Effect::Error(sighting) => {
                let dsn = self.vault.one(&sighting.secret).await?;
                let report =
                    tracker::Report { sighting, id: outbound.id, stage: &self.config.stage, now: clock::now() };
                Ok(Parcel::Calls(vec![tracker::call(&report, &dsn)?]))
            }
            Effect::Notify(notification) => self.pack(notification, &outbound.id.to_string()).await,
        }
    }

    async fn pack(&self, notification: &Notification, id: &str) -> Result<Parcel, Trouble> {
        let told = Told { notification, id, now: clock::now() };
        pack(told, &self.config.file.channels, &self.vault).await
    }

    /// One after the other, each at the destination's rate. The first that is not delivered is the verdict; all are sent
    /// again then, under the same keys.
    async fn send_all(&self, calls: Vec<Call>, outbound: &Outbound, until: Instant) -> Verdict {
        let mut verdict = Verdict::Delivered { status: None, body: None };
        for (part, mut call) in calls.into_iter().enumerate() {
            call.label(&outbound.idempotency_key, part, &outbound.correlation_id);
            if let (Effect::Http(_), Some(place)) = (&outbound.effect, telemetry::here().or(outbound.trace_parent)) {
                call.place(place);
            }
            if part > 0 && self.limiter.admit(&outbound.effect.destination(), until).await.is_err() {
                let error = format!("the time was over after {part} of several requests");
                return Verdict::Retry { error, status: None, after: None };
            }
            verdict = self.send(call, outbound, until).await;
            if !matches!(verdict, Verdict::Delivered { .. }) {
                break;
            }
        }
        verdict
    }

    async fn send(&self, mut call: Call, outbound: &Outbound, until: Instant) -> Verdict {
        call.time_limit = call.time_limit.min(until.saturating_duration_since(Instant::now()));
        let answer = self.http.send(&call).await;
        if let (Effect::Error(_), Ok(answer)) = (&outbound.effect, &answer)
            && let Some(pause) = tracker::pause(answer)
        {
            self.limiter.pause(&outbound.effect.destination(), pause);
        }
        let is_locked_out = matches!(answer, Ok(Answer { status: 401 | 403, .. }));
        match judge(answer, clock::now()) {
            // The secret was rotated while an old one was cached here.
            Verdict::Dead { error, status } if is_locked_out && self.vault.has_newer(&call.secrets).await => {
                Verdict::Retry { error, status, after: None }
            }
            verdict => verdict,
        }
    }

    async fn publish(&self, mail: Mail, until: Instant) -> Verdict {
        let Some(topic) = &self.topic else {
            let error = "there is no topic for e-mail; set ALERTS_TOPIC_ARN".to_owned();
            return Verdict::Dead { error, status: None };
        };
        match within(until, topic.publish(mail)).await {
            Ok(()) => Verdict::Delivered { status: None, body: None },
            Err(trouble) => judge(Err(trouble), clock::now()),
        }
    }
}

async fn within<T>(until: Instant, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    timeout_at(until, work).await.unwrap_or_else(|_| Err(Trouble::Passing("the invocation's time was over".into())))
}
