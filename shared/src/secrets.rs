//! Secrets: read from AWS Secrets Manager, held in memory for a while, rotated without a deploy.
//!
//! A refresh that fails keeps the value that is there: an outage of the secrets manager must not refuse webhooks. A
//! signature that fails to verify may mean that the secret was rotated a moment ago, so it is read once more, at most
//! every 30 s whatever strangers send.

use std::{collections::BTreeMap, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use crate::config::{Fault, Faults};

/// When a cached value is read again.
#[derive(Clone, Copy, Debug)]
pub struct Refresh {
    /// How long a value is used before it is read again. 5 minutes unless said otherwise.
    pub ttl: Duration,
    /// At most one read in this time after failed verifications or failed refreshes. 30 s unless said otherwise.
    pub at_most_every: Duration,
}

impl Default for Refresh {
    fn default() -> Self {
        Self { ttl: Duration::from_mins(5), at_most_every: Duration::from_secs(30) }
    }
}

/// A shorter secret can be guessed, or was cut off while it was pasted.
const SHORTEST: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error("the secret {id} cannot be read: {reason}")]
    Unreadable { id: String, reason: String },
    #[error("{0}")]
    Invalid(Faults),
}

/// What is wrong with a secret of that name, without quoting it.
pub type Check = dyn Fn(&str, &SecretString) -> Result<(), String> + Send + Sync;

/// A future that a trait object can return.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<SecretString, SecretsError>> + Send + 'a>>;

/// Where secrets come from. One implementation, [`SecretsManager`]; the trait keeps the vendor behind it.
pub trait SecretSource: Send + Sync {
    fn fetch<'a>(&'a self, id: &'a str) -> Fetching<'a>;
}

/// AWS Secrets Manager.
pub struct SecretsManager {
    client: aws_sdk_secretsmanager::Client,
}

impl SecretsManager {
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self { client: aws_sdk_secretsmanager::Client::new(config) }
    }

    /// With a configuration of its own.
    pub async fn from_env() -> Self {
        Self::new(&crate::aws::sdk_config().await)
    }

    /// When any of it was last changed, at the day. Its value is not read.
    pub async fn last_changed(&self, id: &str) -> Result<Timestamp, SecretsError> {
        let unreadable = |reason: String| SecretsError::Unreadable { id: id.to_owned(), reason };
        let answer =
            self.client.describe_secret().secret_id(id).send().await.map_err(|error| unreadable(words(&error)))?;
        let changed = answer.last_changed_date().or(answer.created_date());
        let changed = changed.and_then(|time| Timestamp::from_second(time.secs()).ok());
        changed.ok_or_else(|| unreadable("nothing says when it was changed".into()))
    }
}

fn words<E>(error: &E) -> String
where
    E: aws_sdk_secretsmanager::error::ProvideErrorMetadata + std::error::Error,
{
    match (error.code(), error.message()) {
        (Some(code), message) => format!("{code}: {}", message.unwrap_or("no reason given")),
        (None, _) => crate::errors::chain(error),
    }
}

impl SecretSource for SecretsManager {
    fn fetch<'a>(&'a self, id: &'a str) -> Fetching<'a> {
        Box::pin(async move {
            let unreadable = |reason: String| SecretsError::Unreadable { id: id.to_owned(), reason };
            let answer = self.client.get_secret_value().secret_id(id).send().await;
            let answer = answer.map_err(|error| unreadable(words(&error)))?;
            answer.secret_string().map(SecretString::from).ok_or_else(|| unreadable("it is not text".into()))
        })
    }
}

/// A login to the database, as RDS keeps it: `{"username": ..., "password": ...}` with more beside.
#[derive(Debug, Deserialize)]
pub struct DatabaseLogin {
    pub username: String,
    pub password: SecretString,
}

impl DatabaseLogin {
    pub fn parse(text: &SecretString) -> Result<Self, SecretsError> {
        serde_json::from_str(text.expose_secret()).map_err(|_| {
            let problem = "is not JSON with a username and a password";
            SecretsError::Invalid(Fault::new("the database's secret", problem).into())
        })
    }
}

/// The app's secret: a JSON object of names to a secret or, during a rotation, a list of them.
///
/// ```json
/// {"STRIPE_WEBHOOK_SECRET": ["whsec_new...", "whsec_old..."], "EVENTS_TOKEN": "..."}
/// ```
pub struct AppSecrets {
    values: BTreeMap<String, Vec<SecretString>>,
}

impl AppSecrets {
    /// Refuses anything but the form above, any secret shorter than 32 characters, and white space around one, which is
    /// never part of it and comes from pasting. All faults are listed.
    pub fn parse(text: &SecretString) -> Result<Self, Faults> {
        Self::parse_checked(text, &|_, _| Ok(()))
    }

    /// The same, and refuses what `check` does not like about the secret of a name.
    pub fn parse_checked(text: &SecretString, check: &Check) -> Result<Self, Faults> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMany {
            One(SecretString),
            Many(Vec<SecretString>),
        }
        let read: BTreeMap<String, OneOrMany> = serde_json::from_str(text.expose_secret()).map_err(|_| {
            Faults::from(Fault::new("the app's secret", "is not a JSON object of names to strings or lists of strings"))
        })?;

        let mut faults = Faults::default();
        let mut values = BTreeMap::new();
        for (name, value) in read {
            let list = match value {
                OneOrMany::One(one) => vec![one],
                OneOrMany::Many(many) => many,
            };
            for (index, secret) in list.iter().enumerate() {
                let problem = problem_of(secret).or_else(|| check(&name, secret).err());
                if let Some(problem) = problem {
                    let which = if list.len() > 1 { format!("{name}[{index}]") } else { name.clone() };
                    faults.push(Fault::new(&which, &problem));
                }
            }
            values.insert(name, list);
        }
        faults.into_result(Self { values })
    }

    /// Every active secret of a webhook provider, newest first; `STRIPE_WEBHOOK_SECRET` for `stripe`.
    pub fn webhook(&self, provider: &str) -> &[SecretString] {
        self.named(&webhook_secret(provider))
    }

    /// The bearer tokens that may post to `/events`.
    pub fn events_tokens(&self) -> &[SecretString] {
        self.named("EVENTS_TOKEN")
    }

    /// The bearer tokens that may see the details of `/health`.
    pub fn health_tokens(&self) -> &[SecretString] {
        self.named("HEALTH_TOKEN")
    }

    /// The newest secret of this name, whatever it is for.
    pub fn one(&self, name: &str) -> Option<&SecretString> {
        self.named(name).first()
    }

    fn named(&self, name: &str) -> &[SecretString] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The name of a webhook provider's secret: `STRIPE_WEBHOOK_SECRET` for `stripe`.
pub fn webhook_secret(provider: &str) -> String {
    format!("{}_WEBHOOK_SECRET", provider.to_ascii_uppercase())
}

fn problem_of(secret: &SecretString) -> Option<String> {
    let text = secret.expose_secret();
    if text.trim() != text {
        return Some("is blank, or has white space around it".into());
    }
    let length = text.len();
    (length < SHORTEST).then(|| format!("has {length} characters; a secret needs at least {SHORTEST}"))
}

impl fmt::Debug for AppSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// Whether `given` is one of `accepted`. Takes the same time for every wrong value of one length.
pub fn is_one_of(given: &str, accepted: &[SecretString]) -> bool {
    accepted.iter().fold(false, |found, secret| {
        let same =
            aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), secret.expose_secret().as_bytes());
        found | same.is_ok()
    })
}

/// The app's secrets, cached.
pub struct Secrets {
    source: Arc<dyn SecretSource>,
    id: String,
    refresh: Refresh,
    check: Box<Check>,
    cached: Mutex<Cached>,
}

#[derive(Default)]
struct Cached {
    value: Option<Arc<AppSecrets>>,
    fetched_at: Option<Instant>,
    /// The latest read for a reason other than age: a failed verification, a failed refresh.
    retried_at: Option<Instant>,
}

impl Secrets {
    pub fn new(source: Arc<dyn SecretSource>, id: String) -> Self {
        Self::refreshed(source, id, Refresh::default())
    }

    pub fn refreshed(source: Arc<dyn SecretSource>, id: String, refresh: Refresh) -> Self {
        Self { source, id, refresh, check: Box::new(|_, _| Ok(())), cached: Mutex::default() }
    }

    /// Refuses secrets that `check` does not like: at first the function does not start, later the last good ones stay.
    #[must_use]
    pub fn checked(self, check: impl Fn(&str, &SecretString) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { check: Box::new(check), ..self }
    }

    /// The secrets, no older than the TTL unless the secrets manager fails: then the last good ones.
    pub async fn get(&self) -> Result<Arc<AppSecrets>, SecretsError> {
        let mut cached = self.cached.lock().await;
        let fresh = cached.fetched_at.is_some_and(|at| at.elapsed() < self.refresh.ttl);
        let resting = cached.retried_at.is_some_and(|at| at.elapsed() < self.refresh.at_most_every);
        match &cached.value {
            Some(value) if fresh || resting => Ok(Arc::clone(value)),
            _ => self.refresh(&mut cached).await,
        }
    }

    /// Reads the secrets again after a failed verification. `None` when that was done a moment ago,
    /// or failed for the first time.
    pub async fn refetch(&self) -> Option<Arc<AppSecrets>> {
        let mut cached = self.cached.lock().await;
        if cached.retried_at.is_some_and(|at| at.elapsed() < self.refresh.at_most_every) {
            return None;
        }
        cached.retried_at = Some(Instant::now());
        self.refresh(&mut cached).await.ok()
    }

    async fn refresh(&self, cached: &mut Cached) -> Result<Arc<AppSecrets>, SecretsError> {
        let read = match self.source.fetch(&self.id).await {
            Ok(text) => AppSecrets::parse_checked(&text, &*self.check).map_err(SecretsError::Invalid),
            Err(error) => Err(error),
        };
        match (read, &cached.value) {
            (Ok(value), _) => {
                let value = Arc::new(value);
                cached.value = Some(Arc::clone(&value));
                cached.fetched_at = Some(Instant::now());
                Ok(value)
            }
            (Err(error), Some(stale)) => {
                cached.retried_at = Some(Instant::now());
                tracing::warn!(%error, "the secrets could not be refreshed; the last good ones stay in use");
                Ok(Arc::clone(stale))
            }
            (Err(error), None) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
