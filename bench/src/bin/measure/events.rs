//! The events that are sent, and what the functions need to take them.

use serde_json::{Value, json};
use shared::{
    clock,
    providers::{self, About},
};
use testkit::{AppSecret, TestDatabase, TestQueues, TestSecrets};
use uuid::Uuid;

pub struct World {
    pub database: TestDatabase,
    secret: AppSecret,
    app_secret: TestSecrets,
    login: TestSecrets,
    pub queues: TestQueues,
}

impl World {
    pub async fn new() -> Self {
        let secret = AppSecret::random();
        Self {
            database: TestDatabase::new().await,
            app_secret: TestSecrets::create(&secret.json()).await,
            login: TestSecrets::app_login().await,
            queues: TestQueues::create().await,
            secret,
        }
    }

    /// As the template would set it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let url = self.database.app_url();
        vec![
            ("INBOX_QUEUE_URL", self.queues.config.inbox_url.clone()),
            ("INBOX_DEAD_QUEUE_URL", self.queues.config.inbox_dead_url.clone()),
            ("OUTBOUND_QUEUE_URL", self.queues.config.outbound_url.clone()),
            ("ASSETS_BUCKET", self.queues.config.assets_bucket.clone()),
            ("DATABASE_URL", url.to_string()),
            ("DATABASE_SECRET_ID", self.login.id.clone()),
            ("APP_SECRET_ID", self.app_secret.id.clone()),
            ("SOLO_TOML", concat!(env!("CARGO_MANIFEST_DIR"), "/solo.toml").to_owned()),
        ]
    }

    /// The API Gateway event (payload format 2.0) of a webhook that Stripe signed just now.
    pub fn signed(&self, body: &str) -> String {
        let (stripe, about) = (providers::find("stripe").unwrap(), About { id: "", event_type: "" });
        let signed = stripe.sign(body.into(), &about, &self.secret.stripe, clock::now()).headers;
        json!({
            "version": "2.0", "routeKey": "POST /webhooks/{provider}", "rawPath": "/webhooks/stripe", "rawQueryString": "",
            "headers": {"content-type": "application/json", "host": "localhost", "user-agent": "Stripe/1.0",
                        "stripe-signature": signed[0].1.to_str().unwrap()},
            "requestContext": {
                "accountId": "1", "apiId": "a", "domainName": "localhost", "domainPrefix": "a", "requestId": "r",
                "routeKey": "POST /webhooks/{provider}", "stage": "$default", "time": "", "timeEpoch": 0,
                "http": {"method": "POST", "path": "/webhooks/stripe", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": ""},
            },
            "body": body, "isBase64Encoded": false,
        })
        .to_string()
    }
}

pub fn new_invoice() -> String {
    invoice(&Uuid::new_v4().simple().to_string()).to_string()
}

pub fn invoice(unique: &str) -> Value {
    providers::find("stripe").unwrap().sample("invoice.paid", unique, clock::now())
}
