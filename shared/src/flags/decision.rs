//! What a flag is for a user, and why.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::{FILE, Place, Share};

/// An answer that can be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub flag: String,
    pub on: bool,
    pub reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is no such flag: off.
    Unknown,
    /// Switched off for everybody.
    Disabled,
    /// It requires authentication, and this user has not signed in: off.
    NotSignedIn,
    /// A partial roll-out, and there is no id that could be placed: off.
    Anonymous { share: Share },
    /// At 100 %: on.
    Everybody,
    /// At 0 %: off.
    Nobody,
    /// On if the user's place is within the share.
    Split { place: Place, share: Share },
}

impl Reason {
    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Disabled => "disabled",
            Self::NotSignedIn => "not_signed_in",
            Self::Anonymous { .. } => "anonymous",
            Self::Everybody => "everybody",
            Self::Nobody => "nobody",
            Self::Split { .. } => "split",
        }
    }
}

/// A sentence without its end: `bucket 37.12 of 100, and the flag is on below 25`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(f, "there is no such flag in {FILE}"),
            Self::Disabled => write!(f, "the flag is disabled, for everybody"),
            Self::NotSignedIn => write!(f, "the flag requires authentication, and this user has not signed in"),
            Self::Anonymous { share } => {
                write!(f, "the flag is on for {share} of the users, and an anonymous one has no id to be placed by")
            }
            Self::Everybody => write!(f, "the flag is on for everybody whom it is meant for"),
            Self::Nobody => write!(f, "the flag is at 0 %"),
            Self::Split { place, share } => {
                write!(f, "bucket {place} of 100, and the flag is on below {}", share.percent())
            }
        }
    }
}

/// `{"flag", "on", "reason", "bucket", "percentage"}`, the last two as far as they matter.
impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("flag", &self.flag)?;
        map.serialize_entry("on", &self.on)?;
        map.serialize_entry("reason", self.reason.code())?;
        if let Reason::Split { place, .. } = self.reason {
            map.serialize_entry("bucket", &place)?;
        }
        if let Reason::Split { share, .. } | Reason::Anonymous { share } = self.reason {
            map.serialize_entry("percentage", &share)?;
        }
        map.end()
    }
}
