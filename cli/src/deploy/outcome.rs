//! How a deployment ends: what is said, what is taken back, what is recorded.

use std::process::ExitCode;

use ops::{DeploymentKind, DeploymentOutcome, NewDeployment};
use shared::clock;

use super::{Run, verify};
use crate::{
    aliases::{self, Function},
    rollback,
    ui::{self, Step},
};

impl Run<'_> {
    pub(super) async fn succeeded(&self, changed: bool, moved: usize) -> anyhow::Result<ExitCode> {
        let (release, stage) = (&self.release, self.cloud.name.as_str());
        if !changed && moved == 0 {
            anstream::println!("Nothing to do: {stage} is at {release} already.");
            return Ok(ExitCode::SUCCESS);
        }
        let detail = (moved > 0).then(|| format!("{moved} aliases were pointed back at the release"));
        self.record(DeploymentOutcome::Succeeded, detail).await;
        let url = self.cloud.outputs().await.and_then(|outputs| outputs.get("ApiUrl").map(str::to_owned));
        anstream::println!("{release} is live on {stage}: {}", url.unwrap_or_else(|problem| format!("{problem:#}")));
        Ok(ExitCode::SUCCESS)
    }

    /// Nothing of ours was activated: CloudFormation takes its change back itself.
    pub(super) async fn not_deployed(&self, error: &anyhow::Error) -> anyhow::Result<ExitCode> {
        ui::fail(error);
        let (stack, left) = (self.cloud.stack(), self.arguments.no_rollback);
        if left {
            anstream::println!(
                "The stack {stack} was left as it failed. `aws cloudformation rollback-stack --stack-name {stack}` takes it back."
            );
        } else {
            self.tell_what_is_live().await;
        }
        let outcome = if !left && self.has_moved().await { self.go_back().await } else { DeploymentOutcome::Failed };
        self.record(outcome, Some(format!("{error:#}"))).await;
        Ok(ExitCode::FAILURE)
    }

    /// CloudFormation takes back its change, and sam waits for that. Usually.
    async fn tell_what_is_live(&self) {
        let stack = self.cloud.stack();
        let found = self.cloud.stack_if_there().await.ok().flatten();
        match found.and_then(|found| found.stack_status).as_ref().map(|status| status.as_str().to_owned()) {
            Some(status) if status == "UPDATE_ROLLBACK_FAILED" => anstream::println!(
                "The stack {stack} is {status}: it could not be taken back as a whole. \
                 `aws cloudformation continue-update-rollback --stack-name {stack}` goes on with it."
            ),
            Some(status) => {
                anstream::println!("The stack {stack} is {status}: CloudFormation took back what it had changed.");
            }
            None => anstream::println!("The state of the stack {stack} is not known; `solo env verify` looks at it."),
        }
    }

    /// Whether an alias is not where it was, which CloudFormation should have seen to.
    async fn has_moved(&self) -> bool {
        if self.before.is_empty() {
            return false;
        }
        let Ok(now) = aliases::read(self.cloud).await else { return false };
        let is_elsewhere = |old: &Function| now.iter().any(|new| new.name == old.name && new.current != old.current);
        self.before.iter().any(is_elsewhere)
    }

    /// The first error is what is reported; how going back went stands beneath it.
    pub(super) async fn take_back(&self, error: &anyhow::Error) -> anyhow::Result<ExitCode> {
        ui::fail(error);
        let stage = self.cloud.name.as_str();
        let outcome = if self.arguments.no_rollback {
            anstream::println!(
                "{} stays live, as --no-rollback says. `solo rollback --stage {stage}` goes back.",
                self.release
            );
            DeploymentOutcome::Failed
        } else if self.before.is_empty() {
            anstream::println!("There is no release before this one to go back to.");
            DeploymentOutcome::Failed
        } else {
            self.go_back().await
        };
        self.record(outcome, Some(format!("{error:#}"))).await;
        Ok(ExitCode::FAILURE)
    }

    async fn go_back(&self) -> DeploymentOutcome {
        let stage = self.cloud.name.as_str();
        let previous = self.previous().unwrap_or("the versions before");
        let step = Step::start("Rollback");
        let moved = verify::back(self.cloud, &self.before).await;
        let problem = match &moved {
            Ok(moved) => rollback::faults(moved),
            Err(error) => Some(format!("{error:#}")),
        };
        match problem {
            None => {
                step.done(&format!("{previous} is live again"));
                DeploymentOutcome::RolledBack
            }
            Some(problem) => {
                let to = self.previous().map(|release| format!(" --to {release}")).unwrap_or_default();
                anstream::println!("Going back to {previous} failed as well: {problem}");
                anstream::println!("Run `solo rollback --stage {stage}{to}` until it says that all is done.");
                DeploymentOutcome::Failed
            }
        }
    }

    fn previous(&self) -> Option<&str> {
        rollback::current(&self.before)
    }

    async fn record(&self, outcome: DeploymentOutcome, detail: Option<String>) {
        let deployment = NewDeployment {
            id: clock::new_id(),
            kind: DeploymentKind::Deploy,
            release: self.release.clone(),
            previous: self.previous().map(str::to_owned),
            outcome,
            detail: detail.map(|text| ui::shorten(&text, 3_900)),
            started_at: self.began,
        };
        if let Err(problem) = rollback::record(self.cloud, deployment, "solo deploy").await {
            anstream::println!("It could not be recorded: {problem}. The deployment itself is not touched by that.");
        }
    }
}
