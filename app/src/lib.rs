//! Your code. Most of what you will ever change is in this crate.
//!
//! To add a handler: a file in `handlers/`, and a line for each sender of its events below.

pub mod handlers;

use shared::{events::FIRST_PARTY, handlers::Handlers};

use handlers::RecordPayment;

/// Which handler takes which events, by their source (a provider's name, or `FIRST_PARTY` for `POST /events`) and type.
pub fn handlers() -> Handlers {
    Handlers::new().on("stripe", "invoice.paid", RecordPayment).on(FIRST_PARTY, "invoice.paid", RecordPayment)
}
