//! The local stack's own passwords and signing secrets: random, and the same from one `make dev` to the next.

use std::{fs, path::Path};

use anyhow::Context as _;
use aws_lc_rs::rand;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::project::write_private;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    pub postgres_password: SecretString,
    pub app_password: SecretString,
    pub reader_password: SecretString,
    pub stripe_webhook_secret: SecretString,
    pub events_token: SecretString,
    pub health_token: SecretString,
}

impl Keys {
    /// New ones.
    pub fn random() -> anyhow::Result<Self> {
        Ok(Self {
            postgres_password: random("")?,
            app_password: random("")?,
            reader_password: random("")?,
            stripe_webhook_secret: random("whsec_")?,
            events_token: random("events_")?,
            health_token: random("health_")?,
        })
    }

    /// Those in the file, which is written when it is not there.
    pub fn kept_in(file: &Path) -> anyhow::Result<Self> {
        if let Ok(text) = fs::read_to_string(file) {
            let problem = || format!("{} is damaged; remove it together with .dev/postgres", file.display());
            return serde_json::from_str(&text).with_context(problem);
        }
        let keys = Self::random()?;
        let text = json!({
            "postgres_password": keys.postgres_password.expose_secret(),
            "app_password": keys.app_password.expose_secret(),
            "reader_password": keys.reader_password.expose_secret(),
            "stripe_webhook_secret": keys.stripe_webhook_secret.expose_secret(),
            "events_token": keys.events_token.expose_secret(),
            "health_token": keys.health_token.expose_secret(),
        });
        write_private(file, &text.to_string())?;
        Ok(keys)
    }
}

fn random(prefix: &str) -> anyhow::Result<SecretString> {
    let mut bytes = [0; 24];
    rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gave no random numbers"))?;
    Ok(SecretString::from(format!("{prefix}{}", hex::encode(bytes))))
}
