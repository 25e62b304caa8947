//! A webhook for the new version: an event of a type that no handler takes, signed like a provider's. It is stored once,
//! however often it comes, a forged one is refused, and in the end it is removed.
//!
//! Deliberately absent: providers in `queued` mode, whose answer says nothing of the database, and those whose secret cannot
//! sign (a public key). One provider stands for all: the signatures themselves are tested before a deploy.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use http::HeaderMap;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::{
    clock,
    config::Mode,
    events::Envelope,
    executions::SMOKE_TEST,
    providers::{About, Delivery, Provider},
    secrets::AppSecrets,
};
use uuid::Uuid;

use crate::{
    config::Config,
    gateway::{self, Answer},
    invoke::Invoke,
    operations,
};

/// One smoke test's event.
pub struct Probe<'c> {
    config: &'c Config,
    invoke: &'c dyn Invoke,
    provider: &'c dyn Provider,
    secret: SecretString,
    unique: String,
    /// What it is stored under.
    event: Envelope,
    /// The executions that the answers named.
    seen: Mutex<BTreeSet<Uuid>>,
}

impl<'c> Probe<'c> {
    /// For the first provider that is on and has a secret to sign with. `None` when there is none.
    pub fn choose(
        config: &'c Config,
        invoke: &'c dyn Invoke,
        secrets: &AppSecrets,
        deployment_id: &str,
    ) -> Option<Self> {
        let unique = Uuid::new_v5(&Uuid::NAMESPACE_OID, deployment_id.as_bytes()).simple().to_string();
        let direct =
            config.file.providers.values().filter(|settings| settings.enabled && settings.mode == Mode::Direct);
        direct.into_iter().find_map(|settings| {
            let provider = settings.provider();
            let active = secrets.webhook(provider.name());
            let (secret, now) = (active.first()?, clock::now());
            let delivery = signed(provider, secret, &unique, now);
            let headers: HeaderMap = delivery.headers.into_iter().collect();
            provider.verify(&headers, &delivery.body, active, now, settings.tolerance).ok()?;
            let event = provider.parse(&headers, &delivery.body).ok().filter(|event| event.event_type == SMOKE_TEST)?;
            let (secret, unique) = (secret.clone(), unique.clone());
            Some(Self { config, invoke, provider, secret, unique, event, seen: Mutex::default() })
        })
    }

    /// Sends it: forged, then twice as it should be. What was wrong with the answers.
    pub async fn exercise(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Err(fault) = self.send_forged().await {
            faults.push(fault);
        }
        let delivery = signed(self.provider, &self.secret, &self.unique, clock::now());
        match self.send_signed("the first webhook", &delivery).await {
            Err(fault) => faults.push(fault),
            Ok((first, _)) => match self.send_signed("the same webhook again", &delivery).await {
                Err(fault) => faults.push(fault),
                Ok((second, _)) if second != first => {
                    faults.push(format!("webhooks: the same webhook again was stored anew, as {second} and {first}"));
                }
                Ok((_, word)) if word == "ok" => {
                    faults.push(format!("webhooks: the same webhook again was handled again ({first})"));
                }
                Ok(_) => {}
            },
        }
        faults
    }

    /// Removes every trace of it. A row of it that a run before left behind is found by its key.
    pub async fn remove(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut ids = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match self.stored().await {
            Ok(found) => ids.extend(found),
            Err(fault) => faults.push(fault),
        }
        for id in ids {
            let remove = json!({"operation": "remove_smoke_test", "execution_id": id});
            match operations::ask(self.invoke, &self.config.versions.ops, remove).await {
                Ok((outcome, _)) if matches!(outcome.as_str(), "changed" | "not_found") => {}
                Ok((outcome, _)) => faults.push(format!("ops: the execution {id} was not removed: {outcome}")),
                Err(fault) => faults.push(format!("ops: the execution {id} was not removed: {fault}")),
            }
        }
        faults
    }

    async fn send_forged(&self) -> Result<(), String> {
        let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
        let mut random = [0; 24];
        random[..16].copy_from_slice(one.as_bytes());
        random[16..].copy_from_slice(&other.as_bytes()[..8]);
        let forged = signed(self.provider, &self.provider.new_secret(&random), &self.unique, clock::now());
        let answer = self.send(&forged).await.map_err(|fault| format!("webhooks: the forged webhook: {fault}"))?;
        self.remember(&answer);
        if answer.status == 401 {
            return Ok(());
        }
        Err(format!("webhooks: a forged webhook was answered with {} {}, not 401", answer.status, answer.word()))
    }

    /// Its execution, and the word of the answer.
    async fn send_signed(&self, what: &str, delivery: &Delivery) -> Result<(Uuid, String), String> {
        let answer = self.send(delivery).await.map_err(|fault| format!("webhooks: {what}: {fault}"))?;
        let id = self.remember(&answer);
        match (answer.status, answer.word(), id) {
            // The first may be a repetition, too: of a run before that did not come to its end.
            (200, word @ ("ok" | "ignored" | "already_processed"), Some(id)) => Ok((id, word.to_owned())),
            (status, word, _) => Err(format!("webhooks: {what} was answered with {status} {word}")),
        }
    }

    async fn send(&self, delivery: &Delivery) -> Result<Answer, String> {
        let path = format!("/webhooks/{}", self.provider.name());
        let event = gateway::request("POST", &path, &delivery.headers, &delivery.body);
        let payload = self.invoke.invoke(&self.config.versions.webhooks, event).await;
        gateway::answer(&payload.map_err(|error| error.to_string())?)
            .ok_or_else(|| "its answer is none to API Gateway".to_owned())
    }

    fn remember(&self, answer: &Answer) -> Option<Uuid> {
        let id = answer.body.get("execution_id").and_then(Value::as_str)?.parse().ok()?;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Some(id)
    }

    /// The executions of this event.
    async fn stored(&self) -> Result<Vec<Uuid>, String> {
        let filter = json!({"source": self.event.source, "event_type": SMOKE_TEST});
        let list = json!({"operation": "list_executions", "filter": filter, "limit": 200});
        let asked = operations::ask(self.invoke, &self.config.versions.ops, list).await;
        let (_, answer) = asked.map_err(|fault| format!("ops: the smoke test's event was not found: {fault}"))?;
        let all = answer.get("executions").and_then(Value::as_array).ok_or("ops: the list of executions is none")?;
        let ours = all.iter().filter(|execution| execution["key"] == self.event.key.as_str());
        Ok(ours.filter_map(|execution| execution["id"].as_str()?.parse().ok()).collect())
    }
}

/// The same body for the same deployment, so that a rerun sends no other contents under the same id.
fn signed(provider: &dyn Provider, secret: &SecretString, unique: &str, now: Timestamp) -> Delivery {
    let body = provider.sample(SMOKE_TEST, unique, Timestamp::UNIX_EPOCH).to_string().into_bytes();
    provider.sign(body, &About { id: unique, event_type: SMOKE_TEST }, secret, now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::providers;

    use super::*;

    /// Nothing else would be removed.
    #[test]
    fn every_provider_carries_the_type_and_the_id() {
        for provider in providers::ALL {
            let (secret, now) = (provider.new_secret(&[7; 24]), clock::now());
            let sent = |unique: &str| {
                let delivery = signed(*provider, &secret, unique, now);
                let headers: HeaderMap = delivery.headers.into_iter().collect();
                let secrets = [secret.clone()];
                provider.verify(&headers, &delivery.body, &secrets, now, Duration::from_mins(5)).unwrap();
                provider.parse(&headers, &delivery.body).unwrap()
            };
            let (one, same, other) = (sent("a"), sent("a"), sent("b"));
            assert_eq!(one.event_type, SMOKE_TEST, "{}", provider.name());
            assert_eq!((&one.key, one.fingerprint), (&same.key, same.fingerprint), "{}", provider.name());
            assert_ne!(one.key, other.key, "{}", provider.name());
            // Two deployments at once are no replay of each other.
            assert!(provider.signs_id() || one.fingerprint != other.fingerprint, "{}", provider.name());
        }
    }
}
