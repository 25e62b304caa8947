//! The local stack's own passwords and signing secrets: random, and the same from one `make dev` to the next.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use aws_lc_rs::rand;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use shared::{
    config::{ProviderConfig, SoloToml},
    providers,
    secrets::webhook_secret,
};

use crate::project::write_private;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    pub postgres_password: SecretString,
    pub app_password: SecretString,
    pub reader_password: SecretString,
    /// Older files have none.
    #[serde(default = "none_yet")]
    pub restorer_password: SecretString,
    pub events_token: SecretString,
    pub health_token: SecretString,
    /// Where this file kept the only one that there was.
    stripe_webhook_secret: Option<SecretString>,
    /// By provider.
    #[serde(default)]
    webhook_secrets: BTreeMap<String, SecretString>,
}

impl Keys {
    /// New ones, for every provider that has code of its own or is in `solo.toml`.
    pub fn random(file: &SoloToml) -> anyhow::Result<Self> {
        let mut keys = Self {
            postgres_password: random("")?,
            app_password: random("")?,
            reader_password: random("")?,
            restorer_password: random("")?,
            events_token: random("events_")?,
            health_token: random("health_")?,
            stripe_webhook_secret: None,
            webhook_secrets: BTreeMap::new(),
        };
        keys.complete(file)?;
        Ok(keys)
    }

    /// Those in the file. It is written when it is not there, and when a provider has none in it, or one of the wrong
    /// form.
    pub fn kept_in(path: &Path, file: &SoloToml) -> anyhow::Result<Self> {
        let Ok(text) = fs::read_to_string(path) else {
            let keys = Self::random(file)?;
            keys.write(path)?;
            return Ok(keys);
        };
        let problem = || format!("{} is damaged; remove it together with .dev/postgres", path.display());
        let mut keys: Self = serde_json::from_str(&text).with_context(problem)?;
        if keys.complete(file)? {
            keys.write(path)?;
        }
        Ok(keys)
    }

    /// The webhook secrets, by the names that the app's secret has for them.
    pub fn webhook_secrets(&self) -> impl Iterator<Item = (String, &str)> {
        self.webhook_secrets.iter().map(|(provider, secret)| (webhook_secret(provider), secret.expose_secret()))
    }

    /// Makes what is missing. Whether anything was.
    fn complete(&mut self, file: &SoloToml) -> anyhow::Result<bool> {
        let before = self.webhook_secrets.len();
        if let Some(stripe) = self.stripe_webhook_secret.take() {
            self.webhook_secrets.entry("stripe".into()).or_insert(stripe);
        }
        let mut changed = self.webhook_secrets.len() != before;
        if self.restorer_password.expose_secret().is_empty() {
            self.restorer_password = random("")?;
            changed = true;
        }
        let configured = file.providers.values().map(ProviderConfig::provider);
        for provider in providers::ALL.iter().copied().chain(configured) {
            let known = self.webhook_secrets.get(provider.name());
            if known.is_none_or(|secret| provider.check_secret(secret).is_err()) {
                self.webhook_secrets.insert(provider.name().to_owned(), provider.new_secret(&random_bytes()?));
                changed = true;
            }
        }
        Ok(changed)
    }

    fn write(&self, path: &Path) -> anyhow::Result<()> {
        let webhooks: BTreeMap<_, _> =
            self.webhook_secrets.iter().map(|(provider, secret)| (provider, secret.expose_secret())).collect();
        let text = json!({
            "postgres_password": self.postgres_password.expose_secret(),
            "app_password": self.app_password.expose_secret(),
            "reader_password": self.reader_password.expose_secret(),
            "restorer_password": self.restorer_password.expose_secret(),
            "events_token": self.events_token.expose_secret(),
            "health_token": self.health_token.expose_secret(),
            "webhook_secrets": webhooks,
        });
        write_private(path, &text.to_string())
    }
}

fn none_yet() -> SecretString {
    SecretString::from("")
}

fn random_bytes() -> anyhow::Result<[u8; 24]> {
    let mut bytes = [0; 24];
    rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gave no random numbers"))?;
    Ok(bytes)
}

fn random(prefix: &str) -> anyhow::Result<SecretString> {
    Ok(SecretString::from(format!("{prefix}{}", hex::encode(random_bytes()?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the file was when Stripe was the only provider.
    const OLD: &str = r#"{"postgres_password": "p", "app_password": "a", "reader_password": "r",
        "stripe_webhook_secret": "whsec_old", "events_token": "e", "health_token": "h"}"#;

    #[test]
    fn an_old_file_keeps_what_it_has_and_gets_what_is_missing_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        fs::write(&path, OLD).unwrap();
        let acme = "[providers.acme]\nscheme = 'hmac'\nsignature = 'X-S'\ntype = 'X-T'\nkey = 'base64'";
        let file = SoloToml::parse(acme).unwrap();
        let keys = Keys::kept_in(&path, &file).unwrap();
        let secrets: BTreeMap<_, _> = keys.webhook_secrets().collect();
        assert_eq!(secrets["STRIPE_WEBHOOK_SECRET"], "whsec_old");
        assert_eq!(keys.postgres_password.expose_secret(), "p");
        assert_eq!(secrets.len(), providers::ALL.len() + 1, "{:?}", secrets.keys());
        assert!(secrets["STANDARD_WEBHOOK_SECRET"].starts_with("whsec_"));
        assert!(secrets.contains_key("ACME_WEBHOOK_SECRET"));

        assert!(keys.restorer_password.expose_secret().len() >= 32);

        let again = Keys::kept_in(&path, &file).unwrap();
        assert_eq!(again.restorer_password.expose_secret(), keys.restorer_password.expose_secret());
        assert_eq!(again.webhook_secrets().collect::<BTreeMap<_, _>>(), secrets);
    }

    #[test]
    fn every_new_secret_is_fit_for_the_app() {
        let keys = Keys::random(&SoloToml::parse("").unwrap()).unwrap();
        let json: BTreeMap<_, _> = keys.webhook_secrets().collect();
        shared::secrets::AppSecrets::parse(&json!(json).to_string().into()).unwrap();
    }
}
