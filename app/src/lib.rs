//! Your code. Most of what you will ever change is in this crate.
//!
//! To add a handler: a file in `handlers/`, and a line for each sender of its events below. To add a type of event: a file in
//! `events/` (`docs/events/README.md` has examples). To add something that must always be true of your tables: a file in
//! `invariants/`, and a line in its list.

pub mod events;
pub mod handlers;
pub mod invariants;

use shared::{
    config::{Env, Fault, Faults},
    events::FIRST_PARTY,
    handlers::Handlers,
};
use url::Url;

use handlers::{RecordPayment, RecordPush, TrackSubscription};

/// What your handlers read from the environment: here, so that a mistake in it stops the start and not a handler.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `PAYMENTS_WEBHOOK_URL`: who is told of each payment. Nobody unless it is set.
    pub payments_webhook: Option<Url>,
}

impl Settings {
    pub fn load(env: &Env) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let payments_webhook: Option<Url> = env.parsed("PAYMENTS_WEBHOOK_URL", "an https URL", &mut faults);
        if payments_webhook.as_ref().is_some_and(|url| !matches!(url.scheme(), "https" | "http")) {
            faults.push(Fault::new("PAYMENTS_WEBHOOK_URL", "is not a web address").hint("set it to an https URL"));
        }
        faults.into_result(Self { payments_webhook })
    }

    /// Which handler takes which events, by their source (a provider's name, or `FIRST_PARTY` for `POST /events`) and
    /// type.
    pub fn handlers(self) -> Handlers {
        let record_payment = RecordPayment { tell: self.payments_webhook };
        Handlers::new()
            .on(FIRST_PARTY, "invoice.paid", record_payment.clone())
            .on("github", "push", RecordPush)
            .on("stripe", "customer.subscription.created", TrackSubscription)
            .on("stripe", "customer.subscription.deleted", TrackSubscription)
            .on("stripe", "customer.subscription.updated", TrackSubscription)
            .on("stripe", "invoice.paid", record_payment)
    }
}

/// The handlers as they are without any setting.
pub fn handlers() -> Handlers {
    Settings::default().handlers()
}
