//! `solo send`: an event from a provider that is not there.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use shared::{
    clock,
    config::SoloToml,
    events::{EventType, FIRST_PARTY},
    providers::{self, About, Delivery, Provider},
    secrets::webhook_secret,
};

use crate::{
    project::Project,
    stage::{self, Door, Stage},
    ui,
};

#[derive(clap::Args)]
pub struct Arguments {
    /// Who sends it: stripe, github, shopify, slack, standard, one that solo.toml describes, or `events` for first-party.
    provider: String,
    /// The type of the event: invoice.paid, push, orders/create, message, ...
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
    /// Needed for production, where it is handled as the real thing.
    #[arg(long)]
    yes: bool,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: stage::Arguments,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if arguments.stage.stage == stage::Name::Production && !arguments.yes {
        bail!("an event that is sent to production is handled as a real one; say --yes if that is meant");
    }
    let stage = Stage::open(arguments.stage.stage).await?;
    let file = Project::find()?.solo_toml()?;
    let sender = Sender::find(&arguments.provider, &file)?;
    let mut event = sender.sample(&arguments.event_type)?;
    if let Some(file) = &arguments.file {
        event.body = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    let door = stage.door().await?;
    let mut refused = false;
    for _ in 0..arguments.times {
        let answer = sender.send(&door, &event, arguments.forge).await?;
        refused |= answer.status >= 400;
        let body: Value = serde_json::from_str(&answer.body).unwrap_or(Value::String(answer.body));
        if arguments.json {
            ui::print(&ui::escaped(&json!({"http_status": answer.status, "answer": body}).to_string()))?;
        } else {
            ui::print(&format!("{}  {}", answer.status, ui::escaped(&body.to_string())))?;
        }
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Someone who sends events.
pub enum Sender<'f> {
    Provider(&'f dyn Provider),
    /// `POST /events`.
    FirstParty,
}

/// One thing to send. Sent twice, it is the same event.
pub struct Sample {
    /// For those who say it outside of the body.
    pub id: String,
    pub event_type: String,
    pub body: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl<'f> Sender<'f> {
    /// One that has code of its own, or one of `file`.
    pub fn find(name: &str, file: &'f SoloToml) -> anyhow::Result<Self> {
        if name == FIRST_PARTY {
            return Ok(Self::FirstParty);
        }
        let configured = || file.provider(name).map(|(provider, _)| provider);
        match providers::find(name).map(|provider| provider as &dyn Provider).or_else(configured) {
            Some(provider) => Ok(Self::Provider(provider)),
            None => {
                let coded = providers::ALL.iter().map(|provider| provider.name());
                let mut known: Vec<_> = coded.chain(file.providers.keys().map(String::as_str)).collect();
                known.sort_unstable();
                known.dedup();
                bail!("{name} is not a provider; there are: {}, {FIRST_PARTY}", known.join(", "))
            }
        }
    }

    /// A realistic event, with new ids. Of a type that is not known here, it is an empty one.
    pub fn sample(&self, event_type: &str) -> anyhow::Result<Sample> {
        let (id, now) = (clock::new_id(), clock::now());
        let body = match self {
            Self::Provider(provider) => provider.sample(event_type, &id.simple().to_string(), now),
            Self::FirstParty => {
                let known = app::handlers().event_types().into_iter().find(|known| known.name == event_type);
                match known.as_ref().and_then(EventType::newest) {
                    Some(newest) => {
                        json!({"type": event_type, "version": newest.number, "data": newest.sample(id, now)?})
                    }
                    None => json!({"type": event_type, "data": {}}),
                }
            }
        };
        Ok(Sample { id: id.to_string(), event_type: event_type.to_owned(), body: body.to_string().into_bytes() })
    }

    /// Signs and sends `event`; with a wrong secret to `forge` it.
    pub async fn send(&self, door: &Door, event: &Sample, forge: bool) -> anyhow::Result<Answer> {
        let (path, delivery) = match self {
            Self::Provider(provider) => {
                let name = provider.name();
                let secret = if forge { provider.new_secret(&[7; 24]) } else { door.secret(&webhook_secret(name))? };
                let about = About { id: &event.id, event_type: &event.event_type };
                (format!("/webhooks/{name}"), provider.sign(event.body.clone(), &about, &secret, clock::now()))
            }
            Self::FirstParty => {
                let token =
                    if forge { "this_is_not_a_token_of_this_stage".into() } else { door.secret("EVENTS_TOKEN")? };
                let bearer = format!("Bearer {}", token.expose_secret()).try_into()?;
                let key = (http::HeaderName::from_static("idempotency-key"), event.id.as_str().try_into()?);
                let headers = vec![(http::header::AUTHORIZATION, bearer), key];
                ("/events".into(), Delivery { headers, body: event.body.clone() })
            }
        };
        let mut request = door.client().post(format!("{}{path}", door.url.trim_end_matches('/'))).body(delivery.body);
        request = request.header(http::header::CONTENT_TYPE, "application/json");
        for (name, value) in delivery.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.with_context(|| door.silence())?;
        Ok(Answer { status: answer.status().as_u16(), body: answer.text().await? })
    }
}
