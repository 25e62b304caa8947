//! `solo send`: an event from a provider that is not there.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use shared::{
    clock,
    events::{EventType, FIRST_PARTY},
    providers::{self, Provider},
};

use crate::stage::{self, Stage};

#[derive(clap::Args)]
pub struct Arguments {
    /// Who sends it: a provider (stripe), or `events` for your own.
    provider: String,
    /// The type of the event: invoice.paid
    event_type: String,
    /// Send this file instead of a made-up event.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Send the same event so many times.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    times: u32,
    /// Sign it with a wrong secret.
    #[arg(long)]
    forge: bool,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: stage::Arguments,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let stage = Stage::open(arguments.stage.stage)?;
    let sender = Sender::find(&arguments.provider)?;
    let body = match &arguments.file {
        Some(file) => std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?,
        None => sender.sample(&arguments.event_type)?,
    };
    let mut refused = false;
    for _ in 0..arguments.times {
        let answer = sender.send(&stage, &body, arguments.forge).await?;
        refused |= answer.status >= 400;
        let body: Value = serde_json::from_str(&answer.body).unwrap_or(Value::String(answer.body));
        if arguments.json {
            println!("{}", json!({"http_status": answer.status, "answer": body}));
        } else {
            println!("{}  {body}", answer.status);
        }
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Someone who sends events.
pub enum Sender {
    Provider(&'static dyn Provider),
    /// `POST /events`. The idempotency key of everything that one of these sends.
    FirstParty {
        key: String,
    },
}

pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Sender {
    pub fn find(name: &str) -> anyhow::Result<Self> {
        if name == FIRST_PARTY {
            return Ok(Self::FirstParty { key: clock::new_id().to_string() });
        }
        match providers::find(name) {
            Some(provider) => Ok(Self::Provider(provider)),
            None => {
                let known: Vec<_> = providers::ALL.iter().map(|provider| provider.name()).collect();
                bail!("{name} is not a provider; there are: {}, {FIRST_PARTY}", known.join(", "))
            }
        }
    }

    /// A realistic event, with new ids. Of a type that is not known here, it is an empty one.
    pub fn sample(&self, event_type: &str) -> anyhow::Result<Vec<u8>> {
        let (id, now) = (clock::new_id(), clock::now());
        let event = match self {
            Self::Provider(provider) => provider.sample(event_type, &id.simple().to_string(), now),
            Self::FirstParty { .. } => {
                let known = app::handlers().event_types().into_iter().find(|known| known.name == event_type);
                match known.as_ref().and_then(EventType::newest) {
                    Some(newest) => {
                        json!({"type": event_type, "version": newest.number, "data": newest.sample(id, now)?})
                    }
                    None => json!({"type": event_type, "data": {}}),
                }
            }
        };
        Ok(event.to_string().into_bytes())
    }

    /// Signs and sends `body`; with a wrong secret to `forge` it.
    pub async fn send(&self, stage: &Stage, body: &[u8], forge: bool) -> anyhow::Result<Answer> {
        let (path, headers) = match self {
            Self::Provider(provider) => {
                let name = provider.name();
                let secret = right_or_forged(stage, &format!("{}_WEBHOOK_SECRET", name.to_ascii_uppercase()), forge)?;
                (format!("/webhooks/{name}"), provider.sign(body, &secret, clock::now()))
            }
            Self::FirstParty { key } => {
                let token = right_or_forged(stage, "EVENTS_TOKEN", forge)?;
                let bearer = format!("Bearer {}", token.expose_secret()).try_into()?;
                let key = (http::HeaderName::from_static("idempotency-key"), key.as_str().try_into()?);
                ("/events".into(), vec![(http::header::AUTHORIZATION, bearer), key])
            }
        };
        let mut request = stage.client().post(format!("{}{path}", stage.url()?)).body(body.to_vec());
        request = request.header(http::header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.context("the stack does not answer; is `make dev` still running?")?;
        Ok(Answer { status: answer.status().as_u16(), body: answer.text().await? })
    }
}

fn right_or_forged(stage: &Stage, name: &str, forge: bool) -> anyhow::Result<SecretString> {
    if forge { Ok(SecretString::from("whsec_this_is_not_the_secret_of_this_stage")) } else { stage.secret(name) }
}
