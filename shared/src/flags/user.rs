//! Who a flag is asked about.

use std::fmt::Display;

/// A user, as far as flags are concerned.
///
/// An id must stay the same for as long as the user does: `u_42`, a UUID, never an e-mail address that may change. An id that
/// is blank is none: such a user is anonymous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    key: Option<String>,
    signed_in: bool,
}

impl User {
    /// Someone who has signed in, or a customer whom a verified event names.
    pub fn id(id: impl Display) -> Self {
        let key = key(&id);
        Self { signed_in: key.is_some(), key }
    }

    /// Someone who has not signed in but is known again: by a cookie, by a device. In partial roll-outs, but not in those of
    /// flags that require authentication.
    pub fn visitor(id: impl Display) -> Self {
        Self { key: key(&id), signed_in: false }
    }

    /// Someone of whom nothing is known. Has only what everybody has.
    pub fn anonymous() -> Self {
        Self { key: None, signed_in: false }
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    pub(super) fn is_signed_in(&self) -> bool {
        self.signed_in
    }
}

fn key(id: &impl Display) -> Option<String> {
    let id = id.to_string();
    (!id.trim().is_empty()).then_some(id)
}
