//! What is deployed, as each connection tells the database (`solo.release`): what is recorded of failures has it, and no statement
//! carries it.

use std::{fmt, str::FromStr};

const LONGEST: usize = 64;

/// A release's name, as `template.yaml` takes it: 1 to 64 letters, digits, `.`, `_` or `-`. So it cannot be another option of the
/// connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release(String);

impl FromStr for Release {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        ((1..=LONGEST).contains(&text.len()) && text.bytes().all(fits)).then(|| Self(text.to_owned())).ok_or(())
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_a_name_and_no_option() {
        for good in ["manual", "0fe52b8", "v1.2.3-rc_1", &"x".repeat(64)] {
            assert_eq!(good.parse::<Release>().unwrap().to_string(), good);
        }
        for bad in ["", " ", "a b", "a\\ b", "a=b", "ž", "a\0", &"x".repeat(65)] {
            assert!(bad.parse::<Release>().is_err(), "{bad:?}");
        }
    }
}
