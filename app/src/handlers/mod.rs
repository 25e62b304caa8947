//! One handler a file.

mod record_payment;

pub use record_payment::RecordPayment;
