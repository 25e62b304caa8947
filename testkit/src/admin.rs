//! Who sets up what a test needs.

use aws_config::SdkConfig;
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use shared::{aws, config::Env};

/// May do anything in the emulator: with the key in `TESTKIT_ADMIN_ACCESS_KEY_ID` and `TESTKIT_ADMIN_SECRET_ACCESS_KEY`
/// where they are set, as they are while permissions are enforced. Otherwise the environment's own, which may as well.
pub async fn admin_config() -> SdkConfig {
    let (config, env) = (aws::sdk_config().await, Env::of_process());
    let key = env.optional("TESTKIT_ADMIN_ACCESS_KEY_ID").zip(env.optional("TESTKIT_ADMIN_SECRET_ACCESS_KEY"));
    let Some((id, secret)) = key else { return config };
    let credentials = Credentials::new(id, secret, None, None, "testkit");
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build()
}

/// Whether the emulator holds the environment's credentials to the permissions of a role.
pub fn permissions_are_enforced() -> bool {
    Env::of_process().optional("TESTKIT_ADMIN_ACCESS_KEY_ID").is_some()
}
