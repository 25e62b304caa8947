//! `[providers.<name>]` of `solo.toml`: which senders of webhooks are believed, and how.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    events::FIRST_PARTY,
    providers::{self, Encoding, Hash, Hmac, Provider, Settings, Standard},
};

const TOLERANCE: Duration = Duration::from_mins(5);
const LONGEST_NAME: usize = 40;
const SCHEMES: &str = "\"hmac\" and \"standard\"";

/// A sender of webhooks.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// Its route answers 404 when this is off.
    pub enabled: bool,
    pub on_failure: OnFailure,
    pub mode: Mode,
    /// How far a signed timestamp may be from now, either way. Without meaning where none is signed.
    pub tolerance: Duration,
    scheme: Scheme,
}

/// What a sender is told when its event was stored but the handler failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// 202: the event is ours now, and is retried here.
    #[default]
    Accept,
    /// 500: the sender repeats it as well.
    Refuse,
}

/// Where a verified event goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// To its handler, while the sender waits.
    #[default]
    Direct,
    /// To the queue: for bursts, and for handlers that take longer than the sender waits.
    Queued,
}

#[derive(Clone, Debug)]
enum Scheme {
    Coded(&'static dyn Provider),
    Standard(Standard),
    Hmac(Box<Hmac>),
}

impl ProviderConfig {
    pub fn provider(&self) -> &dyn Provider {
        match &self.scheme {
            Scheme::Coded(provider) => *provider,
            Scheme::Standard(provider) => provider,
            Scheme::Hmac(provider) => provider.as_ref(),
        }
    }

    /// The provider that `scheme = "hmac"` made.
    pub fn hmac(&self) -> Option<&Hmac> {
        match &self.scheme {
            Scheme::Coded(_) | Scheme::Standard(_) => None,
            Scheme::Hmac(provider) => Some(provider),
        }
    }
}

/// As it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default = "enabled")]
    enabled: bool,
    #[serde(default)]
    on_failure: OnFailure,
    #[serde(default)]
    mode: Mode,
    tolerance_seconds: Option<u64>,
    scheme: Option<String>,
    signature: Option<String>,
    prefix: Option<String>,
    encoding: Option<Encoding>,
    hash: Option<Hash>,
    key: Option<Encoding>,
    signed: Option<String>,
    timestamp: Option<String>,
    id: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    #[serde(default)]
    body_unsigned: bool,
}

fn enabled() -> bool {
    true
}

pub(super) fn read_all<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, ProviderConfig>, D::Error> {
    let tables = BTreeMap::<String, Table>::deserialize(deserializer)?;
    tables
        .into_iter()
        .map(|(name, table)| match read(&name, table) {
            Ok(config) => Ok((name, config)),
            Err(problem) => Err(D::Error::custom(format!("[providers.{name}] {problem}"))),
        })
        .collect()
}

fn read(name: &str, table: Table) -> Result<ProviderConfig, String> {
    let (enabled, on_failure, mode, seconds) = (table.enabled, table.on_failure, table.mode, table.tolerance_seconds);
    let scheme = Scheme::read(name, table)?;
    let config = ProviderConfig { enabled, on_failure, mode, tolerance: TOLERANCE, scheme };
    match seconds {
        None => Ok(config),
        Some(_) if !config.provider().signs_time() => {
            Err("has tolerance_seconds, but no time is signed that it could apply to".into())
        }
        Some(seconds @ 1..=3_600) => Ok(ProviderConfig { tolerance: Duration::from_secs(seconds), ..config }),
        Some(_) => Err("has a wrong tolerance_seconds; it takes 1 to 3600".into()),
    }
}

impl Scheme {
    /// A name without code and without a scheme is a mistake: nobody would know how to verify it.
    fn read(name: &str, table: Table) -> Result<Self, String> {
        let scheme = table.scheme.clone();
        let settings = Settings {
            signature: table.signature,
            prefix: table.prefix,
            encoding: table.encoding,
            hash: table.hash,
            key: table.key,
            signed: table.signed,
            timestamp: table.timestamp,
            id: table.id,
            event_type: table.event_type,
            body_unsigned: table.body_unsigned,
        };
        match (scheme.as_deref(), providers::find(name)) {
            (None, Some(provider)) if settings.is_empty() => Ok(Self::Coded(provider)),
            (None, Some(_)) => Err("says how it signs, which is known and cannot be changed".into()),
            (None, None) => {
                let known: Vec<_> = providers::ALL.iter().map(|provider| provider.name()).collect();
                Err(format!("is not a provider; known are: {}; any other needs a scheme: {SCHEMES}", known.join(", ")))
            }
            (Some("hmac" | "standard"), Some(_)) => Err("has code of its own, and takes no scheme".into()),
            (Some("hmac" | "standard"), None) if !is_name(name) => {
                Err(format!("needs another name: lower-case letters, digits and _, at most {LONGEST_NAME}, not events"))
            }
            (Some("hmac"), None) => Hmac::new(name, &settings).map(|provider| Self::Hmac(Box::new(provider))),
            (Some("standard"), None) if settings.is_empty() => Ok(Self::Standard(Standard::named(name))),
            (Some("standard"), None) => Err("says how it signs, which the standard does".into()),
            (Some(other), _) => Err(format!("has scheme = {other:?}; there are {SCHEMES}")),
        }
    }
}

/// Whether it can be part of a path and of a variable's name, and is not the source of our own events.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(plain)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= LONGEST_NAME
        && name != FIRST_PARTY
}

#[cfg(test)]
mod tests {
    use crate::config::{Mode, SoloToml};

    #[test]
    fn what_is_not_a_provider_or_cannot_be_configured_is_refused() {
        for (text, named) in [
            ("[providers.acme]", "hmac"),
            ("[providers.acme]\nscheme = 'none'", "none"),
            ("[providers.acme]\nscheme = ''", "scheme"),
            ("[providers.stripe]\nscheme = 'hmac'\nsignature = 'X-S'\ntype = 'X-T'", "stripe"),
            ("[providers.stripe]\nscheme = 'none'", "none"),
            ("[providers.stripe]\nscheme = 'standard'", "stripe"),
            ("[providers.clerk]\nscheme = 'standard'\nsignature = 'X-S'", "standard"),
            ("[providers.events]\nscheme = 'standard'", "events"),
            ("[providers.github]\nsignature = 'X-S'", "github"),
            ("[providers.github]\nbody_unsigned = true", "github"),
            ("[providers.github]\ntolerance_seconds = 60", "tolerance_seconds"),
            ("[providers.stripe]\ntolerance_seconds = 3601", "tolerance_seconds"),
            ("[providers.stripe]\nmode = 'later'", "later"),
            ("[providers.events]\nscheme = 'hmac'\nsignature = 'X-S'\ntype = 'X-T'", "events"),
            ("[providers.Acme]\nscheme = 'hmac'\nsignature = 'X-S'\ntype = 'X-T'", "Acme"),
            ("[providers.'a/b']\nscheme = 'hmac'\nsignature = 'X-S'\ntype = 'X-T'", "a/b"),
            ("[providers.a]\nscheme = 'hmac'\nsignature = 'X-S'\ntype = 'X-T'\nsecret = 'x'", "secret"),
        ] {
            let fault = SoloToml::parse(text).expect_err(text).to_string();
            assert!(fault.contains(named), "{named} in {fault}");
        }
    }

    #[test]
    fn a_provider_is_direct_unless_it_is_queued() {
        let file = SoloToml::parse("[providers.stripe]\n[providers.slack]\nmode = 'queued'").unwrap();
        assert_eq!(file.providers["stripe"].mode, Mode::Direct);
        assert_eq!(file.providers["slack"].mode, Mode::Queued);
    }
}
