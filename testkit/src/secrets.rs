//! Secrets in the emulator's Secrets Manager, a new one for each test.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::Client;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::{
    providers::{self, Provider},
    secrets::webhook_secret,
};
use uuid::Uuid;

use crate::{admin_config, variable};

/// What an app's secret holds in a test.
#[derive(Clone)]
pub struct AppSecret {
    /// Of every provider that has code of its own.
    pub webhooks: BTreeMap<String, SecretString>,
    /// Stripe's once more, for the many tests that sign as Stripe does.
    pub stripe: SecretString,
    pub events_token: SecretString,
    pub health_token: SecretString,
}

impl AppSecret {
    pub fn random() -> Self {
        let random = |prefix: &str| SecretString::from(format!("{prefix}{}", Uuid::new_v4().simple()));
        let new = |provider: &&dyn Provider| (provider.name().to_owned(), provider.new_secret(&random_bytes()));
        let webhooks: BTreeMap<_, _> = providers::ALL.iter().map(new).collect();
        let stripe = webhooks["stripe"].clone();
        Self { webhooks, stripe, events_token: random("events_"), health_token: random("health_") }
    }

    pub fn json(&self) -> Value {
        use secrecy::ExposeSecret as _;
        let mut all = json!({
            "EVENTS_TOKEN": self.events_token.expose_secret(),
            "HEALTH_TOKEN": self.health_token.expose_secret(),
        });
        for (provider, secret) in &self.webhooks {
            all[webhook_secret(provider)] = json!(secret.expose_secret());
        }
        all
    }
}

pub fn random_bytes() -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    bytes[16..].copy_from_slice(&Uuid::new_v4().as_bytes()[..8]);
    bytes
}

/// What a secret is for. Its name begins with it, so that `infra/permissions` can tell one from the other.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    App,
    MasterLogin,
    AppLogin,
    ReaderLogin,
    RestorerLogin,
}

impl Kind {
    /// A name that a secret of this kind may have.
    pub fn name(self, rest: &str) -> String {
        let kind = match self {
            Self::App => "app",
            Self::MasterLogin => "master-login",
            Self::AppLogin => "app-login",
            Self::ReaderLogin => "reader-login",
            Self::RestorerLogin => "restorer-login",
        };
        format!("solo-os/test/{kind}/{rest}")
    }
}

pub struct TestSecrets {
    client: Client,
    pub id: String,
}

impl TestSecrets {
    /// The app's.
    pub async fn create(value: &Value) -> Self {
        Self::of(Kind::App, value).await
    }

    /// The login that the functions have in the cloud.
    pub async fn app_login() -> Self {
        Self::login(Kind::AppLogin, "solo_app", "SOLO_TEST_APP_PASSWORD").await
    }

    /// The login that reads everything, for backups.
    pub async fn reader_login() -> Self {
        Self::login(Kind::ReaderLogin, "solo_reader", "SOLO_TEST_READER_PASSWORD").await
    }

    /// The login that makes databases and restores into them.
    pub async fn restorer_login() -> Self {
        Self::login(Kind::RestorerLogin, "solo_restorer", "SOLO_TEST_RESTORER_PASSWORD").await
    }

    async fn login(kind: Kind, user: &str, password: &str) -> Self {
        Self::of(kind, &json!({"username": user, "password": variable(password)})).await
    }

    pub async fn of(kind: Kind, value: &Value) -> Self {
        let client = Client::new(&admin_config().await);
        let id = kind.name(&Uuid::new_v4().to_string());
        client.create_secret().name(&id).secret_string(value.to_string()).send().await.unwrap();
        Self { client, id }
    }

    pub async fn put(&self, value: &Value) {
        self.client.put_secret_value().secret_id(&self.id).secret_string(value.to_string()).send().await.unwrap();
    }

    pub async fn delete(&self) {
        self.client.delete_secret().secret_id(&self.id).force_delete_without_recovery(true).send().await.unwrap();
    }
}
