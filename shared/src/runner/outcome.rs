//! What became of an event.

use jiff::Timestamp;
use uuid::Uuid;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub id: Uuid,
    pub state: State,
    /// `false` when the event was here before under the same key with other data. What came first is kept.
    pub same_payload: bool,
    /// This run brought the state about; it did not find it.
    pub fresh: bool,
    /// Something was left for the worker: effects in the outbox, a critical alert. It should not wait for its next tick.
    pub wake: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Handled just now.
    Completed,
    /// Handled before; nothing was done.
    AlreadyCompleted,
    /// Another runner has it.
    InProgress,
    /// The attempt failed, now or before; it is tried again here.
    WillRetry { at: Timestamp },
    /// Waits for a person.
    Dead,
    /// Stored; there is no handler for it.
    Ignored,
}

impl Outcome {
    pub(super) fn new(id: Uuid, state: State) -> Self {
        Self { id, state, same_payload: true, fresh: true, wake: state == State::Dead }
    }
}
