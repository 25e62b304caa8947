//! Feature flags: on or off for a user, from a file under version control in the format of flagd (OpenFeature).
//!
//! `app` owns the file (`app/flags.json`) and builds it in: a change of a flag is a deployment, with its review, its history
//! and its way back. Nothing is asked over the network, so an evaluation cannot fail and takes less than a microsecond.
//!
//! `file.rs` reads it, and refuses what it does not understand. `bucket.rs` places users: where a user is on the scale of a
//! flag depends on nothing but the two, so raising a percentage adds users and removes none, and the users of one flag say
//! nothing about those of another. `docs/flags.md` is for the one who writes flags.
//!
//! Deliberately absent: flags with values other than on and off, and rules on other properties of users (flagd's JSONLogic).
//! A percentage would then say less than it seems to. `docs/decisions/0016-flags.md`.

mod bucket;
mod decision;
mod file;
mod user;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::Faults;

pub use bucket::{Place, Share};
pub use decision::{Decision, Reason};
pub use user::User;

/// What the file is called in messages.
pub const FILE: &str = "app/flags.json";

/// A flag, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flag {
    pub key: String,
    /// A flag that is disabled is off for everybody, whatever else it says.
    pub enabled: bool,
    /// The part of the users for whom it is on.
    #[serde(rename = "percentage")]
    pub share: Share,
    /// Only for users who are signed in.
    pub requires_auth: bool,
    pub description: String,
    /// A switch that stays. The monthly review does not ask for its removal when it is on for everybody.
    pub permanent: bool,
}

/// All flags, by their keys. Without any, every flag is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    flags: BTreeMap<String, Flag>,
}

impl Flags {
    /// Reads a file in flagd's format. All that is wrong with its flags is found in one go.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        let flags = file::parse(text)?;
        Ok(Self { flags: flags.into_iter().map(|flag| (flag.key.clone(), flag)).collect() })
    }

    /// Flags that are on or off for everybody: for tests of what depends on them.
    pub fn fixed(flags: &[(&str, bool)]) -> Self {
        let flag = |&(key, on): &(&str, bool)| Flag {
            key: key.to_owned(),
            enabled: true,
            share: if on { Share::ALL } else { Share::NONE },
            requires_auth: false,
            description: "fixed".to_owned(),
            permanent: false,
        };
        Self { flags: flags.iter().map(flag).map(|flag| (flag.key.clone(), flag)).collect() }
    }

    /// Whether the flag is on for this user. The same two get the same answer every time, in every environment.
    ///
    /// A flag that is not in the file is off, and leaves a warning in the log.
    pub fn is_on(&self, key: &str, user: &User) -> bool {
        let decision = self.decide(key, user);
        match decision.reason {
            Reason::Unknown => tracing::warn!(flag = key, "an unknown flag was asked for; it counts as off"),
            // Not for whom: that is a person.
            _ => tracing::debug!(flag = key, on = decision.on, reason = decision.reason.code(), "flag"),
        }
        decision.on
    }

    /// As [`Flags::is_on`], with the reason, and without a word in the log.
    pub fn decide(&self, key: &str, user: &User) -> Decision {
        let (on, reason) = self.flags.get(key).map_or((false, Reason::Unknown), |flag| flag.decide(user));
        Decision { flag: key.to_owned(), on, reason }
    }

    /// Sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = &Flag> {
        self.flags.values()
    }
}

impl Flag {
    /// On for all whom it is meant for, with nobody left to add: what it decides can be decided in the code.
    pub fn is_rolled_out(&self) -> bool {
        self.enabled && self.share == Share::ALL
    }

    fn decide(&self, user: &User) -> (bool, Reason) {
        let Self { share, .. } = *self;
        if !self.enabled {
            return (false, Reason::Disabled);
        }
        if self.requires_auth && !user.is_signed_in() {
            return (false, Reason::NotSignedIn);
        }
        if share == Share::ALL {
            return (true, Reason::Everybody);
        }
        if share == Share::NONE {
            return (false, Reason::Nobody);
        }
        let Some(id) = user.key() else {
            return (false, Reason::Anonymous { share });
        };
        let place = Place::of(&self.key, id);
        (place.is_in(share), Reason::Split { place, share })
    }
}
