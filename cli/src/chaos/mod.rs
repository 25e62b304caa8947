//! `solo chaos`: kills processes, restarts the database, cuts connections and stops the queues under load, and checks that
//! nothing that was accepted got lost or ran twice.

mod check;
mod disturb;
mod lambda;
mod load;
mod proxy;

use std::{collections::BTreeMap, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use aws_sdk_sqs::types::QueueAttributeName;
use axum::http::StatusCode;
use owo_colors::OwoColorize as _;
use secrecy::SecretString;
use shared::db::{Credentials, connect_for_maintenance};
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

use crate::{
    program,
    project::Project,
    stack::{
        self, Backing, DatabasePlan, Durability, Keys, Pace, Pump, Received, Receiver, RunDirectory,
        function_environment,
    },
    ui,
};
use disturb::Victims;
use lambda::{Function, Lambda};
use proxy::Proxy;

/// How long it may take until all is done after the last disturbance: leases and visibility timeouts have to run out.
const SETTLED_WITHIN: Duration = Duration::from_mins(4);
/// More often than in the cloud, to fit more of them into the time.
const TICK: Duration = Duration::from_secs(2);
const REPORTED_EVERY: Duration = Duration::from_secs(10);
/// Longer than the worker and courier may run, so that no message is handed out twice at once.
const VISIBILITY: Duration = Duration::from_secs(65);

#[derive(clap::Args)]
pub struct Arguments {
    /// Distinct events. Three in ten are sent twice.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    events: u32,
    /// Senders side by side.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    senders: u16,
    /// The time over which the events are sent, and in which things go wrong.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    seconds: u64,
    /// Repeat a run: the same disturbances in the same order. (Their effects depend on the machine, too.)
    #[arg(long)]
    seed: Option<u64>,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let project = Project::find()?;
    tokio::select! {
        result = play(&project, &arguments) => result,
        interrupted = stack::interrupted() => {
            interrupted?;
            ui::heading("Stopping.");
            Ok(ExitCode::from(130))
        }
    }
}

async fn play(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if shared::config::Env::of_process().optional("DATABASE_URL").is_some() {
        bail!("DATABASE_URL is set, and this would restart that server; unset it to use an embedded one");
    }
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    ui::heading("Starting the stack");
    let directory = RunDirectory::temporary(project)?;
    let logs = directory.path.join("logs");
    let plan = DatabasePlan {
        data: directory.path.join("postgres"),
        durability: Durability::Full,
        name: Some("solo_chaos".into()),
    };
    let receiver = Receiver::start(sometimes_unavailable).await?;
    let mut backing =
        Backing::start(project, logs.clone(), Keys::random(&project.solo_toml()?)?, plan, receiver).await?;
    stack::set_visibility(&backing, VISIBILITY).await?;
    let database = Proxy::before(([127, 0, 0, 1], backing.database.port).into()).await?;
    let queues = Proxy::before(emulator(&backing)?).await?;
    let lambda = Arc::new(Lambda::start(functions(&backing, &logs, &database, &queues)?).await?);
    let pump = Pump::start(&backing, &lambda, Pace { every: Some(TICK), batches: 2 })?;

    ui::heading(&format!("Chaos (seed {seed})"));
    let time = Duration::from_secs(arguments.seconds);
    let events = load::events(usize::try_from(arguments.events)?);
    let order = load::order(&mut random, events.len());
    let stripe = backing.keys.webhook_secrets().find(|(name, _)| name == "STRIPE_WEBHOOK_SECRET");
    let secret = SecretString::from(stripe.context("stripe is not in solo.toml")?.1);
    let sending = load::send(&lambda, &secret, &events, &order, usize::from(arguments.senders), time);
    let victims = Victims { backing: &mut backing, lambda: &lambda, database: &database, queues: &queues };
    let (sent, happened) = tokio::join!(sending, disturb_for(victims, &mut random, time));
    report(&sent, &events, &happened?);

    ui::heading("Waiting until everything is done");
    let client = connect_for_maintenance(backing.database.clone(), Credentials::Url).await?;
    let settled = settle(&backing, &client).await?;
    drop(pump);
    let received: Vec<Received> = backing.receiver.received();
    let effects: Vec<Received> = received.into_iter().filter(|received| received.path.ends_with("payments")).collect();
    let mut faults = check::faults(&client, &events, &sent, &effects).await?;
    faults.extend(settled);
    faults.extend(dead_messages(&backing).await?);
    conclude(&client, &effects, &faults, seed).await
}

/// One call in twenty finds the other side busy.
fn sometimes_unavailable(_: &Received) -> StatusCode {
    if fastrand::u8(..20) == 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
}

fn functions(
    backing: &Backing,
    logs: &std::path::Path,
    database: &Proxy,
    queues: &Proxy,
) -> anyhow::Result<Vec<Function>> {
    let binaries = program::path()?;
    let mut environment = function_environment(backing);
    environment.retain(|(name, _)| *name != "DATABASE_URL");
    let through = shared::db::DatabaseUrl { port: database.port, ..backing.database.with_user("solo_app", None) };
    environment.extend([
        ("DATABASE_URL", through.to_string()),
        ("AWS_ENDPOINT_URL_SQS", format!("http://127.0.0.1:{}", queues.port)),
        ("PAYMENTS_WEBHOOK_URL", backing.receiver.url("payments")),
        ("RETRY_BASE_DELAY_MS", "1000".into()),
        ("MAX_RETRY_ATTEMPTS", "5".into()),
        ("SOLO_TOML", solo_toml(logs)?),
    ]);
    [("webhooks", 12, 4), ("worker", 45, 2), ("courier", 60, 2)]
        .into_iter()
        .map(|(name, seconds, environments)| {
            let binary = binaries.with_file_name(name);
            if !binary.is_file() {
                bail!("{} is not there: run `make setup` first", binary.display());
            }
            Ok(Function {
                name,
                binary,
                environment: environment.clone(),
                log: logs.join(name),
                time: Duration::from_secs(seconds),
                environments,
            })
        })
        .collect()
}

/// All senders have one address here.
fn solo_toml(logs: &std::path::Path) -> anyhow::Result<String> {
    let path = logs.join("solo.toml");
    let text = "[limits]\nrequests_per_second = 1_000_000\nburst = 1_000_000\n[providers.stripe]\n\
                [alerts]\ncritical = ['ops']\ndigest = ['ops']\n[channels.ops]\nkind = 'webhook'\nsecret = 'OPS_URL'\n\
                [outbound]\nrequests_per_second = 1_000\nburst = 1_000\nmax_attempts = 10\n";
    std::fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}

fn emulator(backing: &Backing) -> anyhow::Result<std::net::SocketAddr> {
    backing.aws_endpoint.trim_start_matches("http://").parse().context("the emulator's address is not one")
}

/// Lets things go wrong until the time is over. What happened, counted.
async fn disturb_for(
    mut victims: Victims<'_>,
    random: &mut fastrand::Rng,
    time: Duration,
) -> anyhow::Result<BTreeMap<String, usize>> {
    let end = Instant::now() + time;
    let mut happened = BTreeMap::new();
    for disturbance in disturb::plan(random, 10_000) {
        sleep(Duration::from_millis(random.u64(100..1_200))).await;
        if Instant::now() >= end {
            break;
        }
        victims.disturb(disturbance).await?;
        *happened.entry(disturbance.to_string()).or_default() += 1;
    }
    Ok(happened)
}

fn report(sent: &load::Sent, events: &[load::Event], happened: &BTreeMap<String, usize>) {
    anstream::println!(
        "{} events in {} deliveries: {} accepted, {} of them by the queue; {} deliveries were not accepted and repeated",
        events.len(),
        sent.deliveries,
        sent.accepted.len(),
        sent.queued,
        sent.refused
    );
    let rows = happened.iter().map(|(what, times)| vec![what.clone(), times.to_string()]).collect();
    anstream::println!("{}", ui::table(&["what went wrong", "times"], rows));
}

/// Waits until nothing is under way. What is still unfinished when the patience ends is a fault.
async fn settle(backing: &Backing, client: &Client) -> anyhow::Result<Option<String>> {
    let sqs = aws_sdk_sqs::Client::new(&stack::sdk_config(&backing.aws_endpoint));
    let started = Instant::now();
    let mut waited = started;
    loop {
        let mut messages = 0;
        for url in [&backing.queues.inbox, &backing.queues.outbound] {
            messages += waiting(&sqs, url).await?;
        }
        let state = check::state(client, messages).await?;
        if state.is_settled() {
            anstream::println!("All done {:.0} s after the last event.", started.elapsed().as_secs_f64());
            return Ok(None);
        }
        if waited.elapsed() > REPORTED_EVERY {
            ui::note(&state.to_string());
            waited = Instant::now();
        }
        if started.elapsed() > SETTLED_WITHIN {
            return Ok(Some(format!("not done after {} s: {state}", SETTLED_WITHIN.as_secs())));
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Nothing that was accepted may end beside the database.
async fn dead_messages(backing: &Backing) -> anyhow::Result<Vec<String>> {
    let sqs = aws_sdk_sqs::Client::new(&stack::sdk_config(&backing.aws_endpoint));
    let mut faults = Vec::new();
    for (name, url) in [("inbox", &backing.queues.inbox_dead), ("outbound", &backing.queues.outbound_dead)] {
        let messages = waiting(&sqs, url).await?;
        if messages > 0 {
            faults.push(format!("{messages} messages are in the dead-letter queue of {name}"));
        }
    }
    Ok(faults)
}

/// Messages in the queue, those that are being handled included.
async fn waiting(sqs: &aws_sdk_sqs::Client, url: &str) -> anyhow::Result<i64> {
    use QueueAttributeName::{
        ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesNotVisible as Handled,
    };
    let attributes = sqs.get_queue_attributes().queue_url(url).attribute_names(Waiting).attribute_names(Handled);
    let attributes = attributes.send().await?.attributes.unwrap_or_default();
    Ok([Waiting, Handled].iter().filter_map(|name| attributes.get(name)?.parse::<i64>().ok()).sum())
}

async fn conclude(client: &Client, effects: &[Received], faults: &[String], seed: u64) -> anyhow::Result<ExitCode> {
    let counts = client
        .query(
            "SELECT 'executions ' || status, count(*) FROM executions GROUP BY 1
              UNION ALL SELECT 'attempts ' || outcome, count(*) FROM attempts GROUP BY 1
              UNION ALL SELECT 'effects ' || status, count(*) FROM outbox GROUP BY 1
              UNION ALL SELECT 'payments', count(*) FROM payments ORDER BY 1",
            &[],
        )
        .await?;
    let mut rows: Vec<_> =
        counts.iter().map(|row| vec![row.get::<_, String>(0), row.get::<_, i64>(1).to_string()]).collect();
    rows.push(vec!["effects that arrived, repetitions too".into(), effects.len().to_string()]);
    anstream::println!("{}", ui::table(&["in the end", "number"], rows));
    if faults.is_empty() {
        anstream::println!("\n{} nothing was lost, nothing was done twice.", "✓".green());
        return Ok(ExitCode::SUCCESS);
    }
    for fault in faults.iter().take(20) {
        anstream::println!("{} {fault}", "✗".red());
    }
    bail!("{} rules do not hold; repeat it with --seed {seed}", faults.len())
}
