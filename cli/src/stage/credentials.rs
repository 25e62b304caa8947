//! Whose credentials: those of the environment, or whatever the AWS CLI gives for the profile.
//!
//! The AWS CLI knows every way to sign in (SSO, `aws login`, roles, processes). Asking it keeps all of them out of what is
//! compiled here, where they would end up in the functions as well: cargo builds a crate once, with everyone's features.

use std::{
    process::Stdio,
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use shared::{clock, config::Env};
use tokio::{process::Command, sync::Mutex, task::JoinHandle};

/// Someone may have to look at a phone.
pub(super) const WITHIN: Duration = Duration::from_mins(2);

/// Those that the SDK finds by itself, or an emulator takes.
const BY_THEMSELVES: [&str; 4] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// Credentials that end sooner are asked for anew.
const FRESH_FOR: SignedDuration = SignedDuration::from_mins(2);

/// `aws configure export-credentials` (of version 2), asked once, and again shortly before what it gave expires. Whoever needs credentials
/// meanwhile waits for the same answer, and one who gives up takes it from nobody: a person may be looking at a phone. Whoever has it asks the SDK's own chain next, which reads keys from a profile.
#[derive(Debug, Default)]
pub struct AwsCli {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    credentials: Option<Credentials>,
    asking: Option<JoinHandle<Result<Credentials, CredentialsError>>>,
}

impl AwsCli {
    /// `None` when the SDK can do without: the environment has credentials, or there is no AWS CLI.
    pub fn find(env: &Env) -> Option<Self> {
        let by_themselves = BY_THEMSELVES.iter().any(|name| env.optional(name).is_some());
        let path = env.optional("PATH").unwrap_or_default();
        let there = || std::env::split_paths(&path).any(|directory| directory.join("aws").is_file());
        (!by_themselves && there()).then(Self::default)
    }

    async fn fresh(&self) -> Result<Credentials, CredentialsError> {
        let mut held = self.held.lock().await;
        if let Some(credentials) = held.credentials.as_ref().filter(|held| is_fresh(held)) {
            return Ok(credentials.clone());
        }
        let answer = held.asking.get_or_insert_with(|| tokio::spawn(Self::ask())).await;
        held.asking = None;
        let credentials = answer.map_err(CredentialsError::unhandled)??;
        held.credentials = Some(credentials.clone());
        Ok(credentials)
    }

    async fn ask() -> Result<Credentials, CredentialsError> {
        let mut command = Command::new("aws");
        command.args(["configure", "export-credentials", "--format", "process"]);
        let asked = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(WITHIN, asked)
            .await
            .map_err(|_| CredentialsError::provider_timed_out(WITHIN))?
            .map_err(CredentialsError::provider_error)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(CredentialsError::not_loaded(format!("the AWS CLI gives no credentials: {said}")));
        }
        read(&output.stdout)
    }
}

impl ProvideCredentials for AwsCli {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.fresh())
    }
}

fn is_fresh(credentials: &Credentials) -> bool {
    let soon: SystemTime = clock::now().checked_add(FRESH_FOR).unwrap_or(Timestamp::MAX).into();
    credentials.expiry().is_none_or(|expiry| expiry > soon)
}

/// <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-sourcing-external.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exported {
    access_key_id: String,
    secret_access_key: SecretString,
    #[serde(default)]
    session_token: Option<SecretString>,
    #[serde(default)]
    expiration: Option<Timestamp>,
}

fn read(text: &[u8]) -> Result<Credentials, CredentialsError> {
    // Without serde's own words: they could quote the text.
    let exported: Exported = serde_json::from_slice(text)
        .map_err(|_| CredentialsError::not_loaded("the AWS CLI gives credentials that are not understood"))?;
    Ok(Credentials::new(
        exported.access_key_id,
        exported.secret_access_key.expose_secret(),
        exported.session_token.map(|token| token.expose_secret().to_owned()),
        exported.expiration.map(Into::into),
        "aws configure export-credentials",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_credentials_are_read() {
        let full = br#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "s", "SessionToken": "t",
                        "Expiration": "2026-11-22T10:00:00+00:00"}"#;
        let read_in = read(full).unwrap();
        assert_eq!((read_in.access_key_id(), read_in.secret_access_key()), ("A", "s"));
        assert_eq!((read_in.session_token(), read_in.expiry().is_some()), (Some("t"), true));
        assert!(read(br#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "s"}"#).is_ok());
        let error = read(br#"{"SecretAccessKey": "s3cret"#).unwrap_err();
        assert!(!format!("{error:?}").contains("s3cret"));
    }

    #[test]
    fn credentials_are_asked_for_before_they_end() {
        let ending_in = |minutes: i64| {
            let end = clock::now().checked_add(SignedDuration::from_mins(minutes)).unwrap();
            Credentials::new("A", "s", None, Some(end.into()), "test")
        };
        assert!(is_fresh(&ending_in(3)) && !is_fresh(&ending_in(1)) && !is_fresh(&ending_in(-1)));
        assert!(is_fresh(&Credentials::new("A", "s", None, None, "test")));
    }

    #[test]
    fn the_aws_cli_is_asked_only_when_it_has_to_be() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        assert!(AwsCli::find(&Env::of(&[("PATH", path)])).is_none(), "it is not there");
        std::fs::write(directory.path().join("aws"), "").unwrap();
        assert!(AwsCli::find(&Env::of(&[("PATH", path)])).is_some());
        assert!(AwsCli::find(&Env::of(&[("PATH", path), ("AWS_PROFILE", "solo")])).is_some());
        assert!(AwsCli::find(&Env::of(&[("PATH", path), ("AWS_ACCESS_KEY_ID", "local")])).is_none());
    }
}
