//! `solo secrets`: the names of a stage's secrets, setting and removing them. No value is ever shown, or taken from a command
//! line, where other users and the shell's history see it.

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Read as _},
    process::{ExitCode, Stdio},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use shared::{config::SoloToml, secrets::AppSecrets};

use crate::{
    project::Project,
    stack,
    stage::{Cloud, CloudName, explain},
    ui,
};

/// No secret is as long; a file that was piped in by mistake is.
const LONGEST: u64 = 8 * 1024;

const EXAMPLES: &str = "\
The functions read a new value within 5 minutes, or when a signature fits none that they have.
A value that is set joins those that are there, and goes before them: both are good while the
sender changes over. --replace drops the old ones, once it has.

Examples:
  solo secrets set STRIPE_WEBHOOK_SECRET --stage staging    # asks for the value
  pass stripe/webhook | solo secrets set STRIPE_WEBHOOK_SECRET --stage production";

#[derive(clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// The names, how many values each has, and when any was changed.
    List {
        #[arg(long, value_enum)]
        stage: CloudName,
    },
    /// Set a secret; the value is asked for, or read from standard input.
    #[command(after_help = EXAMPLES)]
    Set {
        /// As the functions know it, such as `STRIPE_WEBHOOK_SECRET`.
        #[arg(value_parser = parse_name)]
        name: String,
        #[arg(long, value_enum)]
        stage: CloudName,
        /// Drop the values that are there, instead of keeping them beside the new one.
        #[arg(long)]
        replace: bool,
    },
    /// Remove a secret with all of its values.
    Unset {
        name: String,
        #[arg(long, value_enum)]
        stage: CloudName,
    },
}

/// The secret of a stage, as it is kept.
struct Held {
    cloud: Cloud,
    id: String,
    values: BTreeMap<String, Vec<SecretString>>,
    /// What `solo.toml` says of the form of some.
    file: Arc<SoloToml>,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { stage } => Held::read(stage).await?.list().await?,
        Command::Set { name, stage, replace } => {
            // First what may take long: between reading the secret and writing it, nobody is waited for.
            let asked = name.clone();
            let value = tokio::select! {
                value = tokio::task::spawn_blocking(move || ask(&asked)) => value??,
                interrupted = stack::interrupted() => {
                    interrupted?;
                    if std::io::stdin().is_terminal() {
                        echo("echo");
                    }
                    bail!("interrupted; nothing was changed");
                }
            };
            let mut held = Held::read(stage).await?;
            held.check(&name, &value)?;
            let kept = held.set(&name, value, replace);
            held.write().await?;
            let beside = if kept > 0 { format!(" beside {kept} older one(s), which stay good") } else { String::new() };
            anstream::println!("{name} is set{beside}. The functions read it within 5 minutes.");
        }
        Command::Unset { name, stage } => {
            let mut held = Held::read(stage).await?;
            if held.values.remove(&name).is_none() {
                bail!("{} has no {name}", stage.as_str());
            }
            held.write().await?;
            anstream::println!(
                "{name} is removed. Earlier versions of the secret keep it for a while: revoke it where it is from."
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Held {
    async fn read(stage: CloudName) -> anyhow::Result<Self> {
        let project = Project::find()?;
        let file = Arc::new(project.solo_toml()?);
        let cloud = Cloud::open(&project, stage).await?;
        let id = cloud.outputs().await?.get("AppSecretArn")?.to_owned();
        let text = cloud.read_secret(&id).await?;
        let problem = "the stage's secret is not a JSON object of names to strings or lists of strings";
        let object: BTreeMap<String, Value> = serde_json::from_str(text.expose_secret()).ok().context(problem)?;
        let values = object.into_iter().map(|(name, value)| Some((name, list_of(&value)?)));
        Ok(Self { cloud, id, values: values.collect::<Option<_>>().context(problem)?, file })
    }

    async fn list(&self) -> anyhow::Result<()> {
        let described = self.cloud.secrets_manager().describe_secret().secret_id(&self.id).send().await;
        let described = described.map_err(|error| explain("the secret could not be described", &error))?;
        let row = |(name, values): (&String, &Vec<SecretString>)| vec![name.clone(), values.len().to_string()];
        if self.values.is_empty() {
            anstream::println!("No secrets.");
        } else {
            anstream::println!("{}", ui::table(&["name", "values"], self.values.iter().map(row).collect()));
        }
        if let Some(at) = described.last_changed_date.and_then(|at| jiff::Timestamp::from_second(at.secs()).ok()) {
            anstream::println!("Changed {}", crate::when::moment(at));
        }
        Ok(())
    }

    /// How many older values stay beside it.
    fn set(&mut self, name: &str, value: SecretString, replace: bool) -> usize {
        let values = self.values.entry(name.to_owned()).or_default();
        if replace {
            values.clear();
        }
        values.retain(|other| other.expose_secret() != value.expose_secret());
        values.insert(0, value);
        values.len() - 1
    }

    /// As the functions would. The others are not looked at: each of several bad ones can be mended.
    fn check(&self, name: &str, value: &SecretString) -> anyhow::Result<()> {
        let alone = SecretString::from(json!({name: value.expose_secret()}).to_string());
        let file = Arc::clone(&self.file);
        match AppSecrets::parse_checked(&alone, &move |name, secret| file.check_secret(name, secret)) {
            Ok(_) => Ok(()),
            Err(faults) => bail!("the functions would refuse it, and nothing was changed: {faults}"),
        }
    }

    async fn write(&self) -> anyhow::Result<()> {
        let text = SecretString::from(self.json().to_string());
        let put =
            self.cloud.secrets_manager().put_secret_value().secret_id(&self.id).secret_string(text.expose_secret());
        put.send().await.map_err(|error| explain("the secret could not be changed", &error))?;
        Ok(())
    }

    fn json(&self) -> Value {
        let value = |values: &Vec<SecretString>| match values.as_slice() {
            [one] => json!(one.expose_secret()),
            many => many.iter().map(SecretString::expose_secret).collect(),
        };
        self.values.iter().map(|(name, values)| (name.clone(), value(values))).collect()
    }
}

fn list_of(value: &Value) -> Option<Vec<SecretString>> {
    match value {
        Value::String(one) => Some(vec![one.as_str().into()]),
        Value::Array(many) => many.iter().map(|item| item.as_str().map(SecretString::from)).collect(),
        _ => None,
    }
}

fn parse_name(text: &str) -> Result<String, String> {
    let fits = |character: char| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_';
    if text.is_empty() || text.len() > 100 || !text.chars().all(fits) {
        return Err("a name has capitals, digits and underscores; the value is asked for, never given here".into());
    }
    Ok(text.to_owned())
}

/// From a terminal, without showing it, or from standard input. One line break at the end is not part of it.
fn ask(name: &str) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    let input = std::io::stdin();
    if input.is_terminal() {
        let _hidden = Hidden::start()?;
        anstream::eprint!("{name}: ");
        input.read_line(&mut text)?;
        anstream::eprintln!();
    } else {
        input.lock().take(LONGEST + 1).read_to_string(&mut text).context("standard input is not text")?;
    }
    if text.len() as u64 > LONGEST {
        bail!("that is longer than any secret");
    }
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        bail!("no value was given");
    }
    Ok(line.into())
}

/// While it exists the terminal does not show what is typed.
struct Hidden;

impl Hidden {
    fn start() -> anyhow::Result<Self> {
        if !echo("-echo") {
            bail!("the terminal would show the secret; give it through standard input");
        }
        Ok(Self)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        echo("echo");
    }
}

fn echo(setting: &str) -> bool {
    std::process::Command::new("stty")
        .arg(setting)
        .stdin(Stdio::inherit())
        .status()
        .is_ok_and(|status| status.success())
}
