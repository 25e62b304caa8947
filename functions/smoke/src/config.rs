//! What the hook needs to know. It lives outside of the private network and has no database.

use shared::config::{Env, Faults, SoloToml};

/// `solo.toml` as it was when the function was built, which is how the versions were built that it tests.
const BUILT_IN: &str = include_str!("../../../solo.toml");

#[derive(Clone, Debug)]
pub struct Config {
    pub versions: Versions,
    /// `APP_SECRET_ID`: name or ARN of the secret with the webhook providers' secrets.
    pub app_secret_id: String,
    pub file: SoloToml,
}

/// What is about to get the traffic: ARNs with a version's number.
#[derive(Clone, Debug)]
pub struct Versions {
    pub webhooks: String,
    pub health: String,
    pub worker: String,
    pub courier: String,
    pub ops: String,
}

impl Config {
    /// All faults together.
    pub fn load(env: &Env) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let versions = Versions::read(env, &mut faults);
        let app_secret_id = env.required("APP_SECRET_ID", "the name or ARN of the app's secret", &mut faults);
        let file = SoloToml::read(env, BUILT_IN, &mut faults);
        match (versions, app_secret_id, file) {
            (Some(versions), Some(app_secret_id), Some(file)) => {
                faults.into_result(Self { versions, app_secret_id, file })
            }
            _ => Err(faults),
        }
    }
}

impl Versions {
    /// Says their numbers, for who wants to see that it is the new ones that are tested.
    pub fn tell(&self, deployment_id: &str) {
        let number = |arn: &str| arn.rsplit(':').next().unwrap_or_default().to_owned();
        tracing::info!(
            deployment_id,
            webhooks = number(&self.webhooks),
            health = number(&self.health),
            worker = number(&self.worker),
            courier = number(&self.courier),
            ops = number(&self.ops),
            "the smoke test tests these versions"
        );
    }

    fn read(env: &Env, faults: &mut Faults) -> Option<Self> {
        let mut arn = |name: &str| env.required(name, "the ARN of the function's new version", faults);
        let (webhooks, health) = (arn("WEBHOOKS_VERSION"), arn("HEALTH_VERSION"));
        let (worker, courier, ops) = (arn("WORKER_VERSION"), arn("COURIER_VERSION"), arn("OPS_VERSION"));
        Some(Self { webhooks: webhooks?, health: health?, worker: worker?, courier: courier?, ops: ops? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_listed_together() {
        let faults = Config::load(&Env::of(&[("OPS_VERSION", "arn:ops:1")])).unwrap_err();
        assert_eq!(faults.len(), 5, "{faults}");
    }
}
