//! What the demo sends, in order, and what should come of each.

use anyhow::Context as _;
use serde_json::Value;
use shared::{config::SoloToml, events::FIRST_PARTY};
use tokio_postgres::Client;

use crate::{
    send::{Answer, Sample, Sender},
    stage::Door,
};

/// One thing to send, and what is expected of it.
pub struct Case {
    pub what: &'static str,
    from: From,
    body: Body,
    forge: bool,
    pub status: u16,
    /// The `status` or `error` of the answer.
    pub word: &'static str,
    /// The execution's status, type and attempts afterwards; `-` when there must be none.
    pub state: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Stripe,
    Events,
}

/// Several cases may send the same event: the first of them makes it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Invoice,
    ForgedInvoice,
    Customer,
    Own,
}

const CASES: &[Case] = &[
    case("Stripe invoice.paid", From::Stripe, Body::Invoice, 200, "ok", "completed, attempt 1"),
    case("the same event again", From::Stripe, Body::Invoice, 200, "already_processed", "completed, attempt 1"),
    Case {
        forge: true,
        ..case("another one, signature forged", From::Stripe, Body::ForgedInvoice, 401, "invalid_signature", "-")
    },
    case("Stripe customer.created (no handler)", From::Stripe, Body::Customer, 200, "ignored", "completed, attempt 0"),
    case("POST /events invoice.paid", From::Events, Body::Own, 200, "ok", "completed, attempt 1"),
    case("the same key again", From::Events, Body::Own, 200, "duplicate", "completed, attempt 1"),
    Case {
        forge: true,
        ..case("POST /events, wrong token", From::Events, Body::Own, 401, "invalid_token", "completed, attempt 1")
    },
];

const fn case(
    what: &'static str,
    from: From,
    body: Body,
    status: u16,
    word: &'static str,
    state: &'static str,
) -> Case {
    Case { what, from, body, forge: false, status, word, state }
}

pub struct Played {
    pub case: &'static Case,
    pub status: u16,
    pub word: String,
    pub state: String,
}

impl Played {
    pub fn is_as_expected(&self) -> bool {
        (self.status, self.word.as_str(), self.state.as_str()) == (self.case.status, self.case.word, self.case.state)
    }
}

pub async fn play(door: &Door, database: &Client, file: &SoloToml) -> anyhow::Result<Vec<Played>> {
    let (stripe, events) = (Sender::find("stripe", file)?, Sender::find("events", file)?);
    let bodies: Vec<(Body, Sample)> = vec![
        (Body::Invoice, stripe.sample("invoice.paid")?),
        (Body::ForgedInvoice, stripe.sample("invoice.paid")?),
        (Body::Customer, stripe.sample("customer.created")?),
        (Body::Own, events.sample("invoice.paid")?),
    ];
    let mut played = Vec::new();
    for case in CASES {
        let (_, event) = bodies.iter().find(|(body, _)| *body == case.body).context("a case without an event")?;
        let sender = if case.from == From::Stripe { &stripe } else { &events };
        let Answer { status, body: answer } = sender.send(door, event, case.forge).await?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let word = answer.get("error").or_else(|| answer.get("status")).and_then(Value::as_str).unwrap_or("?");
        let state = state(database, sender, event).await?;
        played.push(Played { case, status, word: word.to_owned(), state });
    }
    Ok(played)
}

/// What the database says of the event.
async fn state(database: &Client, sender: &Sender<'_>, event: &Sample) -> anyhow::Result<String> {
    const STATE: &str =
        "SELECT status || ', attempt ' || attempt FROM executions WHERE source = $1 AND idempotency_key = $2";
    let (source, key) = match sender {
        Sender::Provider(provider) => {
            let body: Value = serde_json::from_slice(&event.body)?;
            (provider.name(), body["id"].as_str().unwrap_or_default().to_owned())
        }
        Sender::FirstParty => (FIRST_PARTY, event.id.clone()),
    };
    let row = database.query_opt(STATE, &[&source, &key]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or_else(|| "-".to_owned()))
}
