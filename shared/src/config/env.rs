//! The one door to the environment.

use std::{collections::BTreeMap, ops::RangeInclusive, str::FromStr};

use url::Url;

use super::{Fault, Faults};

/// A copy of the environment, taken once.
#[derive(Clone)]
pub struct Env {
    values: BTreeMap<String, String>,
}

impl Env {
    /// This process's environment. Values that are not UTF-8 are left out.
    #[allow(clippy::disallowed_methods)]
    pub fn of_process() -> Self {
        let values = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { values }
    }

    /// These variables and no others.
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self { values: pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }

    /// The value, unless the variable is missing or empty.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.values.get(name).filter(|value| !value.trim().is_empty()).cloned()
    }

    pub fn required(&self, name: &str, expected: &str, faults: &mut Faults) -> Option<String> {
        let value = self.optional(name);
        if value.is_none() {
            faults.push(Fault::new(name, "is not set").hint(&format!("set it to {expected}")));
        }
        value
    }

    /// `None` when the variable is missing, or when it is wrong, which is then among the faults.
    pub fn parsed<T: FromStr>(&self, name: &str, expected: &str, faults: &mut Faults) -> Option<T> {
        let text = self.optional(name)?;
        let value = text.trim().parse().ok();
        if value.is_none() {
            faults.push(Fault::new(name, &format!("is {text:?}")).hint(&format!("set it to {expected}")));
        }
        value
    }

    /// A URL of HTTP, with a host.
    pub fn url(&self, name: &str, faults: &mut Faults) -> Option<Url> {
        const EXPECTED: &str = "an http or https URL";
        let url: Url = self.parsed(name, EXPECTED, faults)?;
        if matches!(url.scheme(), "http" | "https") && url.has_host() {
            return Some(url);
        }
        faults.push(Fault::new(name, &format!("is {:?}", url.as_str())).hint(&format!("set it to {EXPECTED}")));
        None
    }

    pub fn bounded(&self, name: &str, range: RangeInclusive<u64>, faults: &mut Faults) -> Option<u64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let value: u64 = self.parsed(name, &expected, faults)?;
        if range.contains(&value) {
            return Some(value);
        }
        faults.push(Fault::new(name, &format!("is {value}")).hint(&format!("set it to {expected}")));
        None
    }
}
