//! Money: an amount in a currency's smallest unit.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// An amount and its currency, which mean nothing without each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Money {
    /// In the currency's smallest unit.
    pub cents: Cents,
    pub currency: Currency,
}

/// An amount of at least 1, in the currency's smallest unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Number")]
pub struct Cents(i64);

/// Three letters, upper case (ISO 4217's form; that such a currency exists is not checked). Read in either case.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Cents {
    /// The largest amount that Stripe charges has 12 digits; anything beyond 15 is a mistake. It is also less than 2^53:
    /// every amount survives a program whose numbers are all floating point.
    pub const LARGEST: i64 = 999_999_999_999_999;

    /// What samples cost: 99.00.
    pub const SAMPLE: Self = Self(9_900);

    pub fn new(cents: i64) -> Option<Self> {
        (1..=Self::LARGEST).contains(&cents).then_some(Self(cents))
    }

    pub fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<Number> for Cents {
    type Error = String;

    /// To JSON Schema 4200.0 is an integer (2020-12, core, section 4.2.3), so it is one here.
    fn try_from(number: Number) -> Result<Self, Self::Error> {
        let whole = number.as_f64().filter(|float| float.fract() == 0.0 && (1.0..1e15).contains(float));
        #[allow(clippy::cast_possible_truncation, reason = "whole, and less than 2^53")]
        let cents = number.as_i64().or_else(|| whole.map(|float| float as i64));
        cents.and_then(Self::new).ok_or_else(|| format!("must be a whole number from 1 to {}", Self::LARGEST))
    }
}

impl JsonSchema for Cents {
    fn schema_name() -> Cow<'static, str> {
        "Cents".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 1, "maximum": Self::LARGEST})
    }
}

impl Currency {
    pub const EUR: Self = Self(*b"EUR");

    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl TryFrom<String> for Currency {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_bytes() {
            &[a, b, c] if text.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                Ok(Self([a, b, c].map(|byte| byte.to_ascii_uppercase())))
            }
            _ => Err("must be three letters"),
        }
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Za-z]{3}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_and_bounded() {
        let read = |text: &str| serde_json::from_str::<Cents>(text).ok().map(Cents::get);
        assert_eq!([read("1"), read("4200.0"), read("42e2")], [Some(1), Some(4_200), Some(4_200)]);
        assert_eq!(read("999999999999999"), Some(Cents::LARGEST));
        for text in ["0", "-1", "0.5", "4200.5", "1000000000000000", "1e15", "1e300", "-0.0", "\"1\"", "null", "true"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn currencies_are_three_letters() {
        let read = |text: &str| Currency::try_from(text.to_owned()).ok().map(String::from);
        assert_eq!([read("usd"), read("EUR")], [Some("USD".into()), Some("EUR".into())]);
        for text in ["", "us", "euro", "u$d", "ÄB", "usd\n"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
