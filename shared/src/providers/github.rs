//! GitHub.
//!
//! Rule: <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>.
//! `X-Hub-Signature-256: sha256=<hex>` is HMAC-SHA256 over the body with the webhook's secret. No time is signed, and
//! neither are the headers that hold the event's id and type (`X-GitHub-Delivery`, `X-GitHub-Event`): a captured body
//! can come back under others, so the fingerprint of an event is that of its body alone.
//!
//! GitHub waits 10 s and repeats nothing by itself; a redelivery by hand keeps the id. A webhook without a secret is
//! sent without a signature and refused. The old `X-Hub-Signature` (SHA-1) is ignored. Bodies must be JSON, which is a
//! choice in the webhook's settings: the other one (a form) is refused.

use std::time::Duration;

use aws_lc_rs::hmac::HMAC_SHA256;
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    About, Delivery, Provider, Refusal,
    parts::{headers, json, mac, one_fits, signed_text, text},
};
use crate::events::{Envelope, Malformed};

const SIGNATURE: &str = "X-Hub-Signature-256";
const ID: &str = "X-GitHub-Delivery";
const TYPE: &str = "X-GitHub-Event";

#[derive(Debug)]
pub(super) struct GitHub;

impl Provider for GitHub {
    fn name(&self) -> &'static str {
        "github"
    }

    fn signs_id(&self) -> bool {
        false
    }

    fn signs_time(&self) -> bool {
        false
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[SecretString],
        _now: Timestamp,
        _tolerance: Duration,
    ) -> Result<(), Refusal> {
        let given = signed_text(headers, SIGNATURE)?
            .strip_prefix("sha256=")
            .and_then(|digits| hex::decode(digits).ok())
            .filter(|tag| tag.len() == 32)
            .ok_or(Refusal::MalformedSignature(SIGNATURE.into(), "is not sha256= and 64 hexadecimal digits"))?;
        let keys = secrets.iter().map(|secret| secret.expose_secret().as_bytes());
        if one_fits(HMAC_SHA256, keys, &[body], &[given]) { Ok(()) } else { Err(Refusal::NoMatch(SIGNATURE.into())) }
    }

    fn parse(&self, headers: &HeaderMap, body: &[u8]) -> Result<Envelope, Malformed> {
        let (id, event_type) = (text(headers, ID)?, text(headers, TYPE)?);
        let data = json(body).map_err(|Malformed(problem)| {
            Malformed(format!("{problem}; the webhook's content type at GitHub must be application/json"))
        })?;
        Ok(Envelope::new(self.name(), id, event_type, 1, data, body)?.with_unsigned_id())
    }

    fn sign(&self, body: Vec<u8>, about: &About<'_>, secret: &SecretString, _now: Timestamp) -> Delivery {
        let tag = hex::encode(mac(HMAC_SHA256, secret.expose_secret().as_bytes(), &[&body]));
        let headers = headers([
            (SIGNATURE, format!("sha256={tag}")),
            (ID, about.id.to_owned()),
            (TYPE, about.event_type.to_owned()),
        ]);
        Delivery { headers, body }
    }

    fn sample(&self, event_type: &str, unique: &str, now: Timestamp) -> Value {
        let sender = json!({"login": "octocat", "id": 583_231, "type": "User", "site_admin": false});
        let repository = json!({
            "id": 1_296_269, "name": "hello-world", "full_name": "octocat/hello-world", "private": false,
            "owner": sender, "html_url": "https://github.com/octocat/hello-world", "default_branch": "main",
        });
        let mut body = match event_type {
            "push" => sample_push(unique, now),
            "ping" => json!({"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {
                "type": "Repository", "id": 1, "name": "web", "active": true, "events": ["push", "issues"],
                "config": {"content_type": "json", "insecure_ssl": "0", "url": format!("https://example.com/{unique}")},
            }}),
            "issues" => json!({"action": "opened", "issue": {
                "id": 1, "number": 1347, "title": format!("Found a bug ({unique})"), "state": "open", "user": sender,
                "body": "It does not work.", "labels": [], "created_at": now, "updated_at": now,
            }}),
            _ => json!({"action": "created", "unique": unique}),
        };
        body["repository"] = repository;
        body["sender"] = sender;
        body
    }
}

/// `unique` makes the commit's name, as its contents do at GitHub.
fn sample_push(unique: &str, now: Timestamp) -> Value {
    let after = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, unique.as_bytes()))[..40].to_owned();
    let author = json!({"name": "Mona Lisa", "email": "mona@example.com", "username": "octocat"});
    let commit = json!({
        "id": after, "message": "Mend the thing", "timestamp": now, "author": author, "committer": author,
        "url": format!("https://github.com/octocat/hello-world/commit/{after}"), "distinct": true,
        "added": [], "removed": [], "modified": ["README.md"],
    });
    json!({
        "ref": "refs/heads/main", "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246", "after": after,
        "created": false, "deleted": false, "forced": false, "commits": [commit], "head_commit": commit,
        "pusher": {"name": "octocat", "email": "mona@example.com"},
    })
}

#[cfg(test)]
mod tests;
