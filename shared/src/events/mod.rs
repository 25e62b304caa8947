//! Events: what came in, in one form for all senders, and the typed forms that handlers take.
//!
//! An [`Envelope`] is made at the door, from a provider's webhook or from `POST /events`. An [`Event`] is a type and a
//! version of its data; decoding is where an old version is upcast and where a provider's own shape is mapped.

mod canonical;
mod envelope;
mod fields;
mod invoice_paid;

pub use canonical::fingerprint;
pub use envelope::{Envelope, MAX_KEY, Malformed, is_storable};
pub use fields::{FieldError, Fields, InvalidPayload};
pub use invoice_paid::{Currency, InvoicePaid};

/// The source of events that come through `POST /events`.
pub const FIRST_PARTY: &str = "events";

/// A typed event: what a handler takes.
pub trait Event: Sized + Send + 'static {
    /// As senders spell it: `invoice.paid`.
    const TYPE: &'static str;
    /// The version that handlers see. Older ones are upcast in [`Event::decode`].
    const VERSION: u16;

    /// Reads the event's data. Most types need one line: `envelope.data_as(Self::VERSION)`.
    fn decode(envelope: &Envelope) -> Result<Decoded<Self>, InvalidPayload>;
}

/// What an envelope turned out to hold.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<E> {
    Event(E),
    /// Authentic and well-formed, but nothing to do; stored, and answered as `ignored`.
    Nothing,
}
