//! The secrets that effects and channels name. One that is not there is looked for once more: it may have been added a
//! moment ago.

use secrecy::{ExposeSecret as _, SecretString};
use shared::secrets::{AppSecrets, Secrets};

use crate::verdict::Trouble;

/// A secret, and the name that it went by.
#[derive(Clone)]
pub struct Used {
    pub name: String,
    pub value: SecretString,
}

pub struct Vault {
    secrets: Secrets,
}

impl Vault {
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets }
    }

    /// The secret of this name. That there is none is permanent; that none can be read is not.
    pub async fn one(&self, name: &str) -> Result<Used, Trouble> {
        if let Some(used) = self.find(name).await? {
            return Ok(used);
        }
        let fresh = self.secrets.refetch().await;
        fresh.and_then(|fresh| used(&fresh, name)).ok_or_else(|| {
            Trouble::Unfit(format!("there is no secret {name}; add it to the app's secret (APP_SECRET_ID)"))
        })
    }

    /// The secret, if there is one among those that are cached.
    pub async fn find(&self, name: &str) -> Result<Option<Used>, Trouble> {
        let cached = self.secrets.get().await.map_err(|error| Trouble::Passing(error.to_string()))?;
        Ok(used(&cached, name))
    }

    /// Whether one of these was rotated since it was read.
    pub async fn has_newer(&self, all: &[Used]) -> bool {
        if all.is_empty() {
            return false;
        }
        self.secrets.refetch().await.is_some_and(|fresh| {
            let is_old = |used: &Used| {
                fresh.one(&used.name).is_some_and(|newest| newest.expose_secret() != used.value.expose_secret())
            };
            all.iter().any(is_old)
        })
    }
}

fn used(secrets: &AppSecrets, name: &str) -> Option<Used> {
    secrets.one(name).map(|value| Used { name: name.to_owned(), value: value.clone() })
}
