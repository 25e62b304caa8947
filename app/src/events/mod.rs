//! Your event types, one a file. How to add one is in `docs/events/README.md`.

mod push;
mod subscription;

pub use push::Push;
pub use subscription::{Change, Subscription};
