//! Your code. Most of what you will ever change is in this crate.
//!
//! To add a handler: a file in `handlers/`, and a line for each sender of its events below. To add a type of event: a file in
//! `events/` (`docs/events/README.md` has examples). To add something that must always be true of your tables: a file in
//! `invariants/`, and a line in its list. To add a feature flag: an entry in `app/flags.json`, and its name in `flags.rs`.

pub mod events;
pub mod flags;
pub mod handlers;
pub mod invariants;

use shared::{
    config::{Env, Fault, Faults},
    events::FIRST_PARTY,
    flags::Flags,
    handlers::Handlers,
};
use url::Url;

use handlers::{RecordPayment, RecordPush, TrackSubscription};

/// What your handlers are given at start: here, so that a mistake in it stops the start and not a handler.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `PAYMENTS_WEBHOOK_URL`: who is told of each payment. Nobody unless it is set.
    pub payments_webhook: Option<Url>,
    /// `app/flags.json`. Without any, every flag is off.
    pub flags: Flags,
}

impl Settings {
    pub fn load(env: &Env) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let payments_webhook: Option<Url> = env.parsed("PAYMENTS_WEBHOOK_URL", "an https URL", &mut faults);
        if payments_webhook.as_ref().is_some_and(|url| !matches!(url.scheme(), "https" | "http")) {
            faults.push(Fault::new("PAYMENTS_WEBHOOK_URL", "is not a web address").hint("set it to an https URL"));
        }
        let flags = flags::built_in().map_err(|wrong| faults.append(wrong)).unwrap_or_default();
        faults.into_result(Self { payments_webhook, flags })
    }

    /// Which handler takes which events, by their source (a provider's name, or `FIRST_PARTY` for `POST /events`) and
    /// type.
    pub fn handlers(self) -> Handlers {
        let record_payment = RecordPayment { tell: self.payments_webhook };
        Handlers::new()
            .with_flags(self.flags)
            .on(FIRST_PARTY, "invoice.paid", record_payment.clone())
            .on("github", "push", RecordPush)
            .on("stripe", "customer.subscription.created", TrackSubscription)
            .on("stripe", "customer.subscription.deleted", TrackSubscription)
            .on("stripe", "customer.subscription.updated", TrackSubscription)
            .on("stripe", "invoice.paid", record_payment)
    }
}

/// The handlers as they are without any setting, for tests and tools. A file of flags with a fault stops [`Settings::load`],
/// and so every function; here it counts as empty.
pub fn handlers() -> Handlers {
    Settings { flags: flags::built_in().unwrap_or_default(), ..Settings::default() }.handlers()
}
