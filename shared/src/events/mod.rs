//! Events: what came in, in one form for all senders, and the typed forms that handlers take.
//!
//! An [`Envelope`] is made at the door, from a provider's webhook or from `POST /events`. An [`Event`] is a type and the
//! versions of its data; decoding is where an old version is upcast and where a provider's own shape is mapped.
//!
//! There is no second list of types: what [`crate::handlers::Handlers`] is told of is what is taken, and what is published
//! in `docs/events`, which also says how to add a type and a version.

mod canonical;
mod envelope;
mod fields;
mod form;
mod invoice_paid;
mod published;
mod scalars;
mod version;

pub use canonical::fingerprint;
pub use envelope::{Envelope, MAX_KEY, Malformed, is_storable};
pub use fields::{FieldError, Fields, InvalidPayload};
pub use invoice_paid::{InvoicePaid, expanded_id};
pub use published::{EventType, index};
pub use scalars::{Cents, Currency, Id, Moment, Money};
pub(crate) use version::contracts;
pub use version::{Contract, Deprecation, Form, Version};

/// The source of events that come through `POST /events`.
pub const FIRST_PARTY: &str = "events";

/// A typed event: what a handler takes.
pub trait Event: Sized + Send + 'static {
    /// As senders spell it: `invoice.paid`.
    const TYPE: &'static str;
    /// The versions that clients of `POST /events` may send, oldest first. Handlers see the newest only: an older one is
    /// upcast by its `Into<Self>`. Empty for a type that only providers send.
    const VERSIONS: &'static [Version<Self>] = &[];
    /// The newest of them.
    const VERSION: u16 = version::newest(Self::VERSIONS);

    /// Reads the event's data. First-party types have nothing to add; a type that providers send maps their shape here.
    fn decode(envelope: &Envelope) -> Result<Decoded<Self>, InvalidPayload> {
        version::read(envelope)
    }
}

/// What an envelope turned out to hold.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<E> {
    Event(E),
    /// Authentic and well-formed, but nothing to do; stored, and answered as `ignored`.
    Nothing,
}
