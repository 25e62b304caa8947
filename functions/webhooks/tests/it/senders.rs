//! Every provider there is, as a sender: those with code, and three made of settings.

use axum::http::HeaderName;
use jiff::Timestamp;
use secrecy::SecretString;
use shared::{
    clock,
    config::SoloToml,
    providers::{About, Delivery, Provider},
};
use testkit::{AppSecret, random_bytes};

use crate::support::World;

/// All on. `acme` signs a time and an id in headers, `mailgun` (after its documentation) inside of the body.
const FILE: &str = r#"
[providers.stripe]
[providers.github]
[providers.shopify]
[providers.slack]
[providers.standard]
[providers.acme]
scheme = "hmac"
signature = "X-Acme-Signature[v1]"
encoding = "base64url"
hash = "sha512"
signed = "{timestamp}.{id}.{body}"
timestamp = "X-Acme-Signature[t]"
id = "X-Acme-Id"
type = "X-Acme-Type"
[providers.clerk]
scheme = "standard"
[providers.mailgun]
scheme = "hmac"
signature = "/signature/signature"
signed = "{timestamp}{/signature/token}"
timestamp = "/signature/timestamp"
id = "/event-data/id"
type = "/event-data/event"
body_unsigned = true
"#;

/// A world whose app's secret has one for every sender.
pub async fn world() -> (World, SoloToml) {
    let file = SoloToml::parse(FILE).unwrap();
    let mut secret = AppSecret::random();
    for (name, settings) in &file.providers {
        let new = || settings.provider().new_secret(&random_bytes());
        secret.webhooks.entry(name.clone()).or_insert_with(new);
    }
    (World::with(secret).await, file)
}

pub fn of(file: &SoloToml) -> Vec<Sender<'_>> {
    let all: Vec<_> = file.providers.values().map(|settings| Sender { provider: settings.provider() }).collect();
    let names: Vec<_> = all.iter().map(Sender::name).collect();
    assert!(shared::providers::ALL.iter().all(|provider| names.contains(&provider.name())), "{names:?}");
    all
}

pub struct Sender<'f> {
    pub provider: &'f dyn Provider,
}

impl Sender<'_> {
    pub fn name(&self) -> &str {
        self.provider.name()
    }

    pub fn event_type(&self) -> &'static str {
        match self.name() {
            "stripe" => "invoice.paid",
            "github" => "push",
            "shopify" => "orders/create",
            "slack" => "message",
            "standard" => "contact.created",
            _ => "thing.made",
        }
    }

    /// What the first delivery of an event is answered with: some types have a handler here.
    pub fn word(&self) -> &'static str {
        if ["stripe", "github"].contains(&self.name()) { "ok" } else { "ignored" }
    }

    /// An event signed now with the right secret.
    pub fn delivery(&self, world: &World, id: &str) -> Delivery {
        self.signed(id, &world.secret.webhooks[self.name()], clock::now())
    }

    pub fn signed(&self, id: &str, secret: &SecretString, time: Timestamp) -> Delivery {
        let body = self.provider.sample(self.event_type(), id, clock::now()).to_string().into_bytes();
        self.signed_body(body, id, secret, time)
    }

    pub fn signed_body(&self, body: Vec<u8>, id: &str, secret: &SecretString, time: Timestamp) -> Delivery {
        self.provider.sign(body, &About { id, event_type: self.event_type() }, secret, time)
    }

    /// Where the signature is: in what differs between two secrets. `None`: in the body.
    pub fn signature_header(&self, delivery: &Delivery) -> Option<HeaderName> {
        let sign = |byte: u8| {
            let secret = self.provider.new_secret(&[byte; 24]);
            self.signed_body(delivery.body.clone(), "same", &secret, Timestamp::UNIX_EPOCH).headers
        };
        let (one, other) = (sign(1), sign(2));
        one.into_iter().zip(other).find(|(one, other)| one != other).map(|((name, _), _)| name)
    }
}
