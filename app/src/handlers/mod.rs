//! One handler a file.

mod record_payment;
mod record_push;
mod track_subscription;

pub use record_payment::RecordPayment;
pub use record_push::RecordPush;
pub use track_subscription::TrackSubscription;
