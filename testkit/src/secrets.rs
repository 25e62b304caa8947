//! Secrets in the emulator's Secrets Manager, a new one for each test.

use aws_config::BehaviorVersion;
use aws_sdk_secretsmanager::Client;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

/// What an app's secret holds in a test.
#[derive(Clone)]
pub struct AppSecret {
    pub stripe: SecretString,
    pub events_token: SecretString,
    pub health_token: SecretString,
}

impl AppSecret {
    pub fn random() -> Self {
        let random = |prefix: &str| SecretString::from(format!("{prefix}{}", Uuid::new_v4().simple()));
        Self { stripe: random("whsec_"), events_token: random("events_"), health_token: random("health_") }
    }

    pub fn json(&self) -> Value {
        use secrecy::ExposeSecret as _;
        json!({
            "STRIPE_WEBHOOK_SECRET": self.stripe.expose_secret(),
            "EVENTS_TOKEN": self.events_token.expose_secret(),
            "HEALTH_TOKEN": self.health_token.expose_secret(),
        })
    }
}

pub struct TestSecrets {
    client: Client,
    pub id: String,
}

impl TestSecrets {
    pub async fn create(value: &Value) -> Self {
        let client = Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
        let id = format!("solo-os/test/{}", Uuid::new_v4());
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
