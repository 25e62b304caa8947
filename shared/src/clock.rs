//! The one home of wall-clock time and of chance. Everything else takes them as values.

use jiff::Timestamp;
use uuid::Uuid;

/// The time now. Call it at the edge (a route, `main`) and pass the value on.
#[allow(clippy::disallowed_methods)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A new identifier that sorts by the time of its making (UUID version 7, RFC 9562).
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// A fraction in `0.0..1.0`, for jitter. Not for secrets.
pub fn fraction() -> f64 {
    let bits = u32::from_be_bytes(Uuid::new_v4().as_bytes()[..4].try_into().unwrap_or_default());
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}
