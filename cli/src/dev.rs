//! `solo dev`: the whole stack on this machine, until Ctrl-C.

mod relay;

use std::{fs, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use axum::http::StatusCode;
use owo_colors::OwoColorize as _;
use secrecy::ExposeSecret as _;

use crate::{
    project::{Project, write_private},
    stack::{
        self, Backing, DatabasePlan, Durability, Emulator, Functions, Keys, Pace, Pump, Received, Receiver,
        RunDirectory, Start, Watch,
    },
    stage, ui,
};

/// The port that is taken when it is free.
const USUAL_PORT: u16 = 9000;

#[derive(clap::Args)]
pub struct Arguments {
    /// Serve on this port (9000 when it is free, else any).
    #[arg(long)]
    port: Option<u16>,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let project = Project::find()?;
    tokio::select! {
        result = serve(&project, &arguments) => result,
        interrupted = stack::interrupted() => {
            interrupted?;
            ui::heading("Stopping.");
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn serve(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    ui::heading("Starting the local stack");
    let port = stack::choose_port(arguments.port, USUAL_PORT)?;
    let directory = RunDirectory::kept(project)?;
    let dev = project.dev_dir();
    fs::create_dir_all(&dev)?;
    let marks = Marks::new(project);
    let keys = Keys::kept_in(&dev.join("keys.json"), &project.solo_toml()?)?;
    let plan = DatabasePlan { data: directory.path.join("postgres"), durability: Durability::Full, name: None };
    let receiver = Receiver::start(show_alert).await?;
    let mut backing = Backing::start(project, dev.join("logs"), keys, plan, receiver).await?;
    write_private(&dev.join("env"), &environment_file(&backing, port))?;
    let output = relay::to_screen_and_file(project)?;
    let start = Start { port, watch: Watch::Reload, output, more: &[("LOG_FORMAT", "json")] };
    let mut functions = Functions::start(project, &backing, start).await?;
    let _pump = Pump::start(&backing, &Arc::new(Emulator::new(&functions.url)?), Pace { every: None, batches: 1 })?;
    fs::write(marks.ready(), &functions.url).context(".dev/ready cannot be written")?;
    greet(&functions.url);
    tokio::select! {
        error = backing.broken() => Err(error),
        error = functions.broken() => Err(error),
    }
}

fn greet(url: &str) {
    ui::heading("Ready.");
    println!("  POST {url}/webhooks/<name>   signed webhooks of the providers that solo.toml switches on");
    println!("  POST {url}/events            your own events");
    println!("  GET  {url}/health            and /health/live, /health/ready, /metrics\n");
    println!("  Try, in another terminal:");
    println!("    target/debug/solo send stripe invoice.paid");
    println!("    target/debug/solo status");
    println!("    target/debug/solo executions list");
    println!(
        "    set -a; . .dev/env; set +a; curl -s \"$API_URL/health\" -H \"Authorization: Bearer $HEALTH_TOKEN\"\n"
    );
    println!(
        "  Code that you change is rebuilt and reloaded. Ctrl-C stops everything; the database is kept in .dev.\n"
    );
}

/// What a channel would have told the founder.
fn show_alert(received: &Received) -> StatusCode {
    let title = received.body.get("title").and_then(serde_json::Value::as_str);
    anstream::eprintln!("{} {}", "alert:".yellow().bold(), title.unwrap_or("a message without a title"));
    StatusCode::NO_CONTENT
}

/// `.dev/env`, for scripts: `set -a; . .dev/env`.
fn environment_file(backing: &Backing, port: u16) -> String {
    let keys = &backing.keys;
    let url = |user: &str, password: &str| {
        let plain = backing.database.with_user(user, None).to_string();
        plain.replacen(&format!("{user}@"), &format!("{user}:{password}@"), 1)
    };
    let master = backing.database.password.as_ref().map_or("", |password| password.expose_secret());
    let mut lines = vec![
        ("API_URL", format!("http://127.0.0.1:{port}")),
        ("DATABASE_URL", url(backing.database.user.as_deref().unwrap_or("postgres"), master)),
        ("APP_DATABASE_URL", url("solo_app", keys.app_password.expose_secret())),
        ("READER_DATABASE_URL", url("solo_reader", keys.reader_password.expose_secret())),
        ("RESTORER_DATABASE_URL", url("solo_restorer", keys.restorer_password.expose_secret())),
        ("EVENTS_TOKEN", keys.events_token.expose_secret().to_owned()),
        ("HEALTH_TOKEN", keys.health_token.expose_secret().to_owned()),
    ];
    lines.extend([
        ("INBOX_QUEUE_URL", backing.queues.inbox.clone()),
        ("INBOX_DEAD_QUEUE_URL", backing.queues.inbox_dead.clone()),
        ("OUTBOUND_QUEUE_URL", backing.queues.outbound.clone()),
        ("OUTBOUND_DEAD_QUEUE_URL", backing.queues.outbound_dead.clone()),
        ("ASSETS_BUCKET", stack::ASSETS_BUCKET.into()),
        ("BACKUPS_BUCKET", stack::BACKUPS_BUCKET.into()),
        ("READER_LOGIN_SECRET_ID", stack::READER_LOGIN.into()),
        ("RESTORER_LOGIN_SECRET_ID", stack::RESTORER_LOGIN.into()),
        ("PG_PROGRAMS", backing.programs.display().to_string()),
    ]);
    lines.extend(stack::aws_environment(&backing.aws_endpoint));
    let mut lines: Vec<_> = lines.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    lines.extend(keys.webhook_secrets().map(|(name, secret)| (name, secret.to_owned())));
    stage::write_lines(&lines)
}

/// The files that say that the stack is up. Gone when it is not.
struct Marks {
    dev: std::path::PathBuf,
}

impl Marks {
    fn new(project: &Project) -> Self {
        let marks = Self { dev: project.dev_dir() };
        marks.remove();
        marks
    }

    fn ready(&self) -> std::path::PathBuf {
        self.dev.join("ready")
    }

    fn remove(&self) {
        for name in ["ready", "env"] {
            let _ = fs::remove_file(self.dev.join(name));
        }
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        self.remove();
    }
}
