//! How far a deployment got: what somebody has to know who interrupts it.

use std::sync::Mutex;

use crate::{project::Project, samconfig::Settings, stage::CloudName};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reached {
    /// Nothing in the cloud was changed.
    #[default]
    Nothing,
    /// There may be a change set.
    Previewing,
    /// CloudFormation is at work, or may be.
    Deploying,
    /// The release may be live.
    Activated,
}

#[derive(Default)]
pub struct Progress {
    reached: Mutex<Reached>,
}

impl Progress {
    pub fn reach(&self, reached: Reached) {
        *self.reached.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = reached;
    }

    /// In which state the stack may be, and what to do.
    pub fn advice(&self, project: &Project, stage: CloudName) -> String {
        let stack = Settings::read(&project.root, stage).map_or_else(|_| "<stack>".into(), |settings| settings.stack);
        let stage = stage.as_str();
        match *self.reached.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Reached::Nothing => "Nothing was deployed; the stage is as it was.".into(),
            Reached::Previewing => format!(
                "Nothing was deployed. A change set `solo-preview-...` of {stack} may be left; it does no harm, and the \
                 console of CloudFormation deletes it."
            ),
            Reached::Deploying => format!(
                "CloudFormation may be at work on {stack}, and goes on by itself. Look with `aws cloudformation \
                 describe-stacks --stack-name {stack}`; `aws cloudformation cancel-update-stack --stack-name {stack}` \
                 takes the change back. When it is done, run the same command again: it does what is left."
            ),
            Reached::Activated => format!(
                "The release may be live, and was not verified. Run the same command again to verify it, or `solo rollback \
                 --stage {stage}` to go back."
            ),
        }
    }
}
