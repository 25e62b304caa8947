//! One handler a file.
//!
//! What only some users are to have is behind a feature flag (`docs/flags.md`, and `app/tests/it/flags.rs` for how to test it):
//!
//! ```ignore
//! if context.flags().is_on(flags::AI_ASSISTANT, &User::id(invoice.customer_id.0)) {
//!     context.send(HttpRequest::post(assistant, question)).await?;
//! }
//! ```

mod record_payment;
mod record_push;
mod track_subscription;

pub use record_payment::RecordPayment;
pub use record_push::RecordPush;
pub use track_subscription::TrackSubscription;
