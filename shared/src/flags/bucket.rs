//! Where a user is on the scale of a flag, and how much of that scale a roll-out takes.
//!
//! The rule is flagd's for `fractional` without an explicit key: the 32-bit `MurmurHash3` (x86, seed 0) of the CBOR (RFC 8949)
//! of `[flag key, user's id]`, scaled to the sum of the weights. <https://flagd.dev/reference/custom-operations/fractional-operation/>
//!
//! It must never change: a change gives every flag other users. `shared/tests/flagd.rs` holds it to flagd's own engine and to
//! places that were written down.

use std::fmt;

use serde::{Serialize, Serializer};

/// The scale: hundredths of a percent.
const SCALE: u16 = 10_000;

/// The part of all users that has a flag, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(SCALE);

    /// `weight` of `total`. `None` unless that is a whole number of hundredths of a percent.
    pub fn of(weight: u64, total: u64) -> Option<Self> {
        let scaled = weight.checked_mul(SCALE.into())?;
        let exact = weight <= total && scaled.checked_rem(total)? == 0;
        exact.then(|| u16::try_from(scaled / total).ok().map(Self)).flatten()
    }

    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

/// `25 %`, `0.05 %`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.percent())
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.percent())
    }
}

/// Where a user is on the scale of a flag: from 0.00 to 99.99. Those below its percentage have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u16);

impl Place {
    pub fn of(flag: &str, user: &str) -> Self {
        let mut both = vec![0x82]; // An array of two.
        push_text(&mut both, flag);
        push_text(&mut both, user);
        let scaled = (u64::from(murmur3(&both)) * u64::from(SCALE)) >> 32;
        // Less than the scale, so it fits.
        Self(u16::try_from(scaled).unwrap_or(SCALE))
    }

    pub fn is_in(self, share: Share) -> bool {
        self.0 < share.0
    }
}

/// `37.12`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 100.0)
    }
}

/// A text in CBOR: major type 3, its length in the shortest form, its bytes.
fn push_text(out: &mut Vec<u8>, text: &str) {
    const TEXT: u8 = 0x60;
    let length = text.len() as u64;
    let bytes = length.to_be_bytes();
    match length {
        0..24 => out.push(TEXT + bytes[7]),
        24..0x100 => out.extend([TEXT + 24, bytes[7]]),
        0x100..0x1_0000 => out.extend([&[TEXT + 25], &bytes[6..]].concat()),
        0x1_0000..0x1_0000_0000 => out.extend([&[TEXT + 26], &bytes[4..]].concat()),
        _ => out.extend([&[TEXT + 27], &bytes[..]].concat()),
    }
    out.extend(text.as_bytes());
}

/// `MurmurHash3`, x86, 32 bits, seed 0.
fn murmur3(data: &[u8]) -> u32 {
    let mix = |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (blocks, tail) = data.as_chunks::<4>();
    let hash = blocks.iter().fold(0_u32, |hash, block| {
        let mixed = (hash ^ mix(u32::from_le_bytes(*block))).rotate_left(13);
        mixed.wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    let tail = tail.iter().rev().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
    // The length is part of the hash, modulo 2^32.
    #[allow(clippy::cast_possible_truncation)]
    let mut hash = hash ^ mix(tail) ^ data.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that implementations in many languages are checked with (Wikipedia's page on `MurmurHash` has most of them).
    #[test]
    fn the_hash_is_murmur3() {
        let known: [(&[u8], u32); 5] = [
            (b"", 0),
            (b"test", 0xba6b_d213),
            (b"hello", 0x248b_fa47),
            (b"Hello, world!", 0xc036_3e43),
            (b"The quick brown fox jumps over the lazy dog", 0x2e4f_f723),
        ];
        for (data, expected) in known {
            assert_eq!(murmur3(data), expected, "{}", String::from_utf8_lossy(data));
        }
    }

    /// RFC 8949, appendix A, and its section 3 for the lengths.
    #[test]
    fn texts_are_cbor() {
        let encoded = |text: &str| {
            let mut out = Vec::new();
            push_text(&mut out, text);
            hex::encode(&out[..out.len() - text.len()])
        };
        assert_eq!(encoded(""), "60");
        assert_eq!(encoded("IETF"), "64");
        assert_eq!(encoded("\u{6c34}"), "63");
        let of_length = |length: usize| encoded(&"x".repeat(length));
        assert_eq!([of_length(23), of_length(24), of_length(255)], ["77", "7818", "78ff"]);
        assert_eq!([of_length(256), of_length(65_535), of_length(65_536)], ["790100", "79ffff", "7a00010000"]);
    }

    #[test]
    fn shares_are_hundredths_of_a_percent_and_nothing_finer() {
        let shown = |weight, total| Share::of(weight, total).map(|share| share.to_string());
        assert_eq!(shown(25, 100).as_deref(), Some("25 %"));
        assert_eq!(shown(5, 10_000).as_deref(), Some("0.05 %"));
        assert_eq!(shown(125, 1_000).as_deref(), Some("12.5 %"));
        assert_eq!([Share::of(0, 100), Share::of(100, 100)], [Some(Share::NONE), Some(Share::ALL)]);
        for (weight, total) in [(0, 0), (1, 0), (101, 100), (1, 3), (1, 100_000), (u64::MAX, u64::MAX)] {
            assert_eq!(Share::of(weight, total), None, "{weight} of {total}");
        }
    }

    #[test]
    fn places_are_written_with_two_digits() {
        assert_eq!([Place(5), Place(3_712), Place(9_999)].map(|place| place.to_string()), ["0.05", "37.12", "99.99"]);
        assert!(Place(2_499).is_in(Share(2_500)) && !Place(2_500).is_in(Share(2_500)));
    }
}
