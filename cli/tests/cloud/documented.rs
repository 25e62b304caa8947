//! The documents' commands for a stage in the cloud, run as they stand there, each on a stage of its own. All others are run by
//! `cli/tests/runbook`, on the local stack.

#[path = "../runbook/documents.rs"]
#[allow(dead_code, reason = "sections are of the runbook's walk")]
mod documents;

use std::path::Path;

use documents::{Block, blocks};
use tokio::process::Command;

use crate::{release::Deploy, world::said};

const DOCUMENTS: [&str; 4] = ["README.md", "docs/backups.md", "docs/deploying.md", "docs/runbook.md"];
const CLOUD: [&str; 5] = ["deploy", "rollback", "destroy", "secrets", "env verify --target"];

fn documented() -> Vec<(&'static str, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found: Vec<(&str, String)> = Vec::new();
    for document in DOCUMENTS {
        for block in blocks(&std::fs::read_to_string(root.join(document)).unwrap()) {
            let Block::Commands(commands) = block else { continue };
            for command in commands {
                let what = command.strip_prefix("target/debug/solo ").unwrap_or_default();
                let is_for_the_cloud = CLOUD.iter().any(|prefix| what.starts_with(prefix));
                if is_for_the_cloud && !found.iter().any(|(_, there)| *there == what) {
                    found.push((document, what.to_owned()));
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn the_documented_commands_for_the_cloud_work() {
    let all = documented();
    assert!(all.len() > 10, "{all:?}");
    for (document, what) in all {
        let deploy = Deploy::new().await;
        let parameters = [("Stage", "staging"), ("DeletionProtection", "true")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        deploy.world.front.stack.lock().unwrap().parameters = parameters.into();
        let (code, text) = said(as_a_shell_runs_it(&deploy, &what)).await;
        assert_eq!(code, 0, "{document}: {what}\n{text}");
    }
}

/// With what a person would answer, or type, when asked.
fn as_a_shell_runs_it(deploy: &Deploy, what: &str) -> Command {
    let answers = match what.split_whitespace().next().unwrap() {
        "deploy" => " --ready-within 1 --yes".to_owned(),
        "destroy" => format!(" --yes-delete {}", deploy.world.stack),
        _ => String::new(),
    };
    let typed = if what.starts_with("secrets set") { "printf whsec_0123456789abcdef0123456789abcdef | " } else { "" };
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{typed}{} {what}{answers}", env!("CARGO_BIN_EXE_solo"))]);
    let solo = deploy.command(&[]);
    shell.current_dir(solo.as_std().get_current_dir().unwrap());
    for (name, value) in solo.as_std().get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}
