//! `solo alerts`: what the founder should know.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use ops::{Alert, AlertState, Alerts, Operation, Outcome};
use shared::clock;

use crate::{
    changes::{Why, Words},
    stage::{self, Stage},
    ui, when,
};

const EXAMPLES: &str = "\
Examples:
  solo alerts list
  solo alerts silence 'outbox_dead:*' --for 2h --reason \"their API is out, they know\"
  solo alerts resolve payload_changed:stripe --reason \"their mistake\"
  solo alerts test --critical --reason \"does my phone ring?\"";

#[derive(clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// List alerts, newest first, and the silences that hold.
    List(List),
    /// Tell nobody of alerts whose key fits a pattern, for some time. They are kept, and told afterwards if they still hold.
    Silence {
        /// An alert's key; `*` stands for anything.
        pattern: String,
        /// For how long: 30m, 2h, 3d (a minute to 30 days).
        #[arg(long = "for", value_parser = when::parse_duration)]
        duration: SignedDuration,
        #[command(flatten)]
        why: Why,
    },
    /// End a silence.
    Unsilence {
        /// The pattern, as `list` shows it.
        pattern: String,
        #[command(flatten)]
        why: Why,
    },
    /// Say that the condition is over. If it is not, the alert comes back.
    Resolve {
        #[arg(required = true)]
        keys: Vec<String>,
        #[command(flatten)]
        why: Why,
    },
    /// Raise an alert under the key `test`, and see it arrive: at once when critical, else with the next digest.
    Test {
        #[arg(long)]
        critical: bool,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(clap::Args)]
pub struct List {
    /// Which ones: those that hold; those with something to tell; those that hold and were told; those that are over.
    #[arg(long, value_enum, default_value_t)]
    state: State,
    #[command(flatten)]
    page: ui::PageArguments,
    #[command(flatten)]
    stage: stage::Arguments,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum State {
    #[default]
    Open,
    Pending,
    Sent,
    Resolved,
    All,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let words = |done| Words { done, named: true };
    match command {
        Command::List(list) => run_list(list).await,
        Command::Silence { pattern, duration, why } => {
            let seconds = u32::try_from(duration.as_secs()).context("that is longer than 30 days")?;
            why.perform(words("silenced"), |by| Operation::SilenceAlerts { pattern, seconds, by }).await
        }
        Command::Unsilence { pattern, why } => {
            why.perform(words("changed"), |by| Operation::UnsilenceAlerts { pattern, by }).await
        }
        Command::Resolve { keys, why } => {
            why.perform(words("resolved"), |by| Operation::ResolveAlerts { keys, by }).await
        }
        Command::Test { critical, why } => {
            why.perform(words("raised"), |by| Operation::TestAlert { critical, by }).await
        }
    }
}

async fn run_list(list: List) -> anyhow::Result<ExitCode> {
    let state = match list.state {
        State::Open => AlertState::Open,
        State::Pending => AlertState::Pending,
        State::Sent => AlertState::Sent,
        State::Resolved => AlertState::Resolved,
        State::All => AlertState::All,
    };
    let operation = Operation::ListAlerts { state, limit: list.page.limit, after: list.page.after };
    let Outcome::Alerts(alerts) = Stage::open(list.stage.stage).await?.operate(operation).await? else {
        bail!("{}", stage::UNEXPECTED)
    };
    if list.page.json {
        ui::print_json(&alerts)?;
    } else {
        print(&alerts, clock::now())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(Alerts { alerts, next, silences }: &Alerts, now: Timestamp) -> anyhow::Result<()> {
    if alerts.is_empty() {
        ui::print("No alerts.")?;
    } else {
        let rows = alerts.iter().map(|alert| row(alert, now)).collect();
        ui::print(&ui::table(&["raised", "severity", "key", "times", "state", "message"], rows))?;
        ui::print_next(*next)?;
    }
    if !silences.is_empty() {
        let rows = silences.iter().map(|silence| {
            let until = when::distance(silence.until, now);
            vec![silence.pattern.clone(), until, silence.created_by.clone(), ui::shorten(&silence.reason, 60)]
        });
        let table = ui::table(&["silenced", "ends", "by", "reason"], rows.collect());
        ui::print(&format!("\n{table}"))?;
    }
    Ok(())
}

fn row(alert: &Alert, now: Timestamp) -> Vec<String> {
    vec![
        when::distance(alert.raised_at, now),
        alert.severity.clone(),
        ui::shorten(&alert.key, 60),
        alert.occurrences.to_string(),
        state(alert, now),
        ui::shorten(&alert.message, 60),
    ]
}

fn state(alert: &Alert, now: Timestamp) -> String {
    match (alert.silenced_until, alert.resolved_at, alert.pending_since, alert.sent_at) {
        (Some(until), _, Some(_), _) => format!("silent, ends {}", when::distance(until, now)),
        (_, Some(_), Some(_), _) => "resolved, to tell".into(),
        (_, Some(at), None, _) => format!("resolved {}", when::distance(at, now)),
        (_, None, Some(_), _) => "to tell".into(),
        (_, None, None, Some(at)) => format!("told {}", when::distance(at, now)),
        (_, None, None, None) => "on its way".into(),
    }
}
