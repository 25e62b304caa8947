//! `solo flags`: the flags of this clone, what they are for a user, and why.
//!
//! Deliberately absent: flags of a stage. A stage has those of the release that it runs, and a change of a flag is a commit.

use std::process::ExitCode;

use serde::Serialize;
use shared::flags::{Decision, FILE, Flag, Reason, User};

use crate::{project::Project, ui};

const EXAMPLES: &str = "\
Examples:
  solo flags list
  solo flags eval ai-assistant --user u_42
  solo flags explain ai-assistant --user u_42
  solo flags explain export-csv               # for an anonymous user

They read app/flags.json of this clone, and ask no stage: a stage has the flags of the release that it runs.";

#[derive(clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// List the flags of this clone.
    List {
        /// For programs: one JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Say whether a flag is on for a user: `on` or `off`. Of this clone; nothing is asked over the network.
    Eval(Question),
    /// Say why a flag is on or off for a user. Of this clone; nothing is asked over the network.
    Explain(Question),
}

#[derive(clap::Args)]
pub struct Question {
    /// The flag's key.
    flag: String,
    /// The id of a user who has signed in. Without --user and --visitor: an anonymous one.
    #[arg(long, conflicts_with = "visitor")]
    user: Option<String>,
    /// The id of someone who has not signed in, but is known again.
    #[arg(long)]
    visitor: Option<String>,
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let flags = Project::find()?.flags()?;
    match command {
        Command::List { json: true } => ui::print_json(&flags.iter().collect::<Vec<_>>())?,
        Command::List { json: false } => ui::print(&table(flags.iter()))?,
        Command::Eval(question) => {
            question.warn();
            let answer = Answer::of(question, flags.decide(&question.flag, &question.who()));
            // As the functions' log has it, where it does not stand in the way of the answer.
            if answer.decision.reason == Reason::Unknown {
                anstream::eprintln!("warning: {}; it counts as off", answer.decision.reason);
            }
            if question.json { ui::print_json(&answer)? } else { ui::print(answer.value())? }
        }
        Command::Explain(question) => {
            question.warn();
            let answer = Answer::of(question, flags.decide(&question.flag, &question.who()));
            if question.json {
                ui::print_json(&answer)?;
            } else {
                ui::print_fields(&[
                    ("flag", question.flag.clone()),
                    ("user", question.name()),
                    ("is", answer.value().to_owned()),
                    ("because", answer.because),
                ])?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table<'f>(flags: impl Iterator<Item = &'f Flag>) -> String {
    let rows: Vec<_> = flags.map(row).collect();
    if rows.is_empty() {
        return format!("No flags in {FILE}.");
    }
    ui::table(&["flag", "state", "percentage", "requires auth", "description"], rows)
}

fn row(flag: &Flag) -> Vec<String> {
    let yes_no = |yes| if yes { "yes" } else { "no" };
    vec![
        flag.key.clone(),
        if flag.enabled { "enabled" } else { "disabled" }.to_owned(),
        flag.share.to_string(),
        yes_no(flag.requires_auth).to_owned(),
        flag.description.clone(),
    ]
}

impl Question {
    /// An id that is blank is none (`--user "$UNSET"`): for the functions, such a user is anonymous.
    fn ids(&self) -> (Option<&str>, Option<&str>) {
        let given = |id: &&str| !id.trim().is_empty();
        (self.user.as_deref().filter(given), self.visitor.as_deref().filter(given))
    }

    /// Whoever gives a blank id has meant another one.
    fn warn(&self) {
        if self.ids() == (None, None) && (self.user.is_some() || self.visitor.is_some()) {
            anstream::eprintln!("warning: the id is blank, which is none; this is the answer for an anonymous user");
        }
    }

    fn who(&self) -> User {
        match self.ids() {
            (Some(id), _) => User::id(id),
            (None, Some(id)) => User::visitor(id),
            (None, None) => User::anonymous(),
        }
    }

    fn name(&self) -> String {
        match self.ids() {
            (Some(id), _) => format!("{id}, signed in"),
            (None, Some(id)) => format!("{id}, not signed in"),
            (None, None) => "anonymous".to_owned(),
        }
    }
}

#[derive(Serialize)]
struct Answer<'q> {
    #[serde(flatten)]
    decision: Decision,
    user: Option<&'q str>,
    visitor: Option<&'q str>,
    because: String,
}

impl<'q> Answer<'q> {
    fn of(question: &'q Question, decision: Decision) -> Self {
        let (user, visitor) = question.ids();
        Self { because: decision.reason.to_string(), decision, user, visitor }
    }

    fn value(&self) -> &'static str {
        if self.decision.on { "on" } else { "off" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_id_is_an_anonymous_user() {
        let question = |user: Option<&str>, visitor: Option<&str>| Question {
            flag: "f".into(),
            user: user.map(Into::into),
            visitor: visitor.map(Into::into),
            json: false,
        };
        for blank in [question(Some(""), None), question(Some(" "), None), question(None, Some("\t"))] {
            assert_eq!((blank.name().as_str(), blank.ids()), ("anonymous", (None, None)));
            assert_eq!(blank.who(), User::anonymous());
        }
        assert_eq!(question(Some("u"), None).name(), "u, signed in");
        assert_eq!(question(None, Some("v")).name(), "v, not signed in");
    }
}
