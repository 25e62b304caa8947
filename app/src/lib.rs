//! Your code. Most of what you will ever change is in this crate.
//!
//! To add a handler: a file in `handlers/`, and a line for each sender of its events below. To add a type of event: a file in
//! `events/` (`docs/events/README.md` has examples).

pub mod events;
pub mod handlers;

use shared::{events::FIRST_PARTY, handlers::Handlers};

use handlers::{RecordPayment, RecordPush, TrackSubscription};

/// Which handler takes which events, by their source (a provider's name, or `FIRST_PARTY` for `POST /events`) and type.
pub fn handlers() -> Handlers {
    Handlers::new()
        .on(FIRST_PARTY, "invoice.paid", RecordPayment)
        .on("github", "push", RecordPush)
        .on("stripe", "customer.subscription.created", TrackSubscription)
        .on("stripe", "customer.subscription.deleted", TrackSubscription)
        .on("stripe", "customer.subscription.updated", TrackSubscription)
        .on("stripe", "invoice.paid", RecordPayment)
}
