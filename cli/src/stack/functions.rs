//! The functions themselves, behind cargo-lambda's emulator of the Lambda runtime and of API Gateway.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use tokio::process::Command;

use super::{
    Backing, aws,
    process::{Output, Plan, Process},
};
use crate::{
    guard::StopSignal,
    project::Project,
    ui::{self, Step},
};

const READY_WITHIN: Duration = Duration::from_mins(3);

/// The running functions. Dropping them stops them.
pub struct Functions {
    process: Process,
    /// Where HTTP requests and Lambda invocations go.
    pub url: String,
}

/// What happens when the code changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    Reload,
    Ignore,
}

/// How they are started.
pub struct Start {
    pub port: u16,
    pub watch: Watch,
    pub output: Output,
    /// Variables on top of the usual ones.
    pub more: &'static [(&'static str, &'static str)],
}

impl Functions {
    /// Builds the functions, with cargo's own progress on the screen, starts them and waits until they answer.
    pub async fn start(project: &Project, backing: &Backing, start: Start) -> anyhow::Result<Self> {
        let Start { port, watch, output, more } = start;
        build(project).await?;
        let step = Step::start("Functions");
        let mut arguments = vec!["lambda", "watch", "--invoke-address", "127.0.0.1", "--disable-cors", "--invoke-port"];
        let port_text = port.to_string();
        arguments.push(&port_text);
        if watch == Watch::Ignore {
            arguments.push("--ignore-changes");
        }
        let mut process = Process::start(Plan {
            name: "the functions' emulator",
            program: project.cargo_lambda(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            directory: project.root.clone(),
            environment: with(environment(backing), more),
            unset: aws::UNSET,
            stop: StopSignal::Term,
            user: None,
            output,
        })
        .context("run `make setup` first")?;
        let url = format!("http://127.0.0.1:{port}");
        wait_until_ready(&mut process, &url).await?;
        step.done(&format!("on {url}"));
        Ok(Self { process, url })
    }

    /// The end of their log, to go with an error.
    pub fn log_tail(&self) -> String {
        self.process.tail()
    }

    /// Waits until the emulator ends, which it should not.
    pub async fn broken(&mut self) -> anyhow::Error {
        self.process.ended().await
    }
}

/// Everything that has a binary, so that the emulator's own `cargo run` finds it built.
async fn build(project: &Project) -> anyhow::Result<()> {
    ui::note("building (the first time takes some minutes)");
    let status = Command::new("cargo")
        .args(["build", "--workspace", "--bins"])
        .current_dir(&project.root)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .context("cargo cannot be run; install Rust with rustup")?;
    if !status.success() {
        bail!("the build failed; the compiler's messages are above");
    }
    Ok(())
}

/// The first request to each function starts its process.
async fn wait_until_ready(process: &mut Process, url: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_mins(1)).build()?;
    let answers = |path: &'static str, method: reqwest::Method, expected: u16| {
        let request = client.request(method, format!("{url}{path}"));
        async move { request.send().await.is_ok_and(|answer| answer.status().as_u16() == expected) }
    };
    process
        .wait_until(READY_WITHIN, || async {
            // The wrong method: refused by the function itself, so it runs, and nothing to log.
            let health = answers("/health/ready", reqwest::Method::GET, 200);
            let webhooks = answers("/webhooks/stripe", reqwest::Method::GET, 405);
            let (health, webhooks) = tokio::join!(health, webhooks);
            health && webhooks
        })
        .await
}

fn with(mut all: Vec<(&'static str, String)>, more: &[(&'static str, &'static str)]) -> Vec<(&'static str, String)> {
    all.extend(more.iter().map(|&(name, value)| (name, value.to_owned())));
    all
}

/// What the functions find in their environment; in the cloud, `template.yaml` says it.
pub fn environment(backing: &Backing) -> Vec<(&'static str, String)> {
    let master = &backing.database;
    let without_login = |user: &str| master.with_user(user, None).to_string();
    let mut all = aws::environment(&backing.aws_endpoint);
    all.extend([
        ("DATABASE_URL", without_login("solo_app")),
        ("DATABASE_SECRET_ID", aws::APP_LOGIN.into()),
        ("APP_SECRET_ID", aws::APP_SECRET.into()),
        ("INBOX_QUEUE_URL", backing.queues.inbox.clone()),
        ("INBOX_DEAD_QUEUE_URL", backing.queues.inbox_dead.clone()),
        ("OUTBOUND_QUEUE_URL", backing.queues.outbound.clone()),
        ("ASSETS_BUCKET", aws::ASSETS_BUCKET.into()),
        // The local receiver of alerts is on the loopback address.
        ("COURIER_ALLOW_LOOPBACK", "true".into()),
        ("MASTER_DATABASE_URL", without_login(master.user.as_deref().unwrap_or("postgres"))),
        ("MASTER_SECRET_ID", aws::MASTER_LOGIN.into()),
        ("APP_LOGIN_SECRET_ID", aws::APP_LOGIN.into()),
        ("READER_LOGIN_SECRET_ID", aws::READER_LOGIN.into()),
        ("RESTORER_LOGIN_SECRET_ID", aws::RESTORER_LOGIN.into()),
        ("BACKUPS_BUCKET", aws::BACKUPS_BUCKET.into()),
        ("PG_PROGRAMS", backing.programs.display().to_string()),
        ("LOG_FORMAT", "text".into()),
        // The emulator's own chatter.
        ("RUST_LOG", "error".into()),
    ]);
    all
}
