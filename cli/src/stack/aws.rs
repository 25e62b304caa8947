//! The AWS emulator (moto): Secrets Manager, S3 and SQS on the loopback address, with what the functions expect in it.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use secrecy::ExposeSecret as _;
use serde_json::json;
use shared::db::DatabaseUrl;

use super::{
    Backing, Keys, Receiver, ports,
    process::{Output, Plan, Process},
    wiring::{QueueSettings, Wiring},
};
use crate::{guard::StopSignal, project::Project, ui::Step};

pub const REGION: &str = "us-east-1";
pub const APP_SECRET: &str = "solo-os/dev/app";
pub const MASTER_LOGIN: &str = "solo-os/dev/database/master";
pub const APP_LOGIN: &str = "solo-os/dev/database/app";
pub const READER_LOGIN: &str = "solo-os/dev/database/reader";
pub const RESTORER_LOGIN: &str = "solo-os/dev/database/restorer";
pub const ASSETS_BUCKET: &str = "solo-os-dev-assets";
pub const BACKUPS_BUCKET: &str = "solo-os-dev-backups";
const INBOX_QUEUE: &str = "solo-os-dev-inbox";
const OUTBOUND_QUEUE: &str = "solo-os-dev-outbound";
/// The queues' URLs, as the functions need them.
#[derive(Clone, Debug)]
pub struct Queues {
    pub inbox: String,
    pub inbox_dead: String,
    pub outbound: String,
    pub outbound_dead: String,
}

impl Queues {
    /// The URL of the one with this logical id in `template.yaml`.
    pub fn url(&self, id: &str) -> Option<&str> {
        match id {
            "Inbox" => Some(&self.inbox),
            "Outbound" => Some(&self.outbound),
            _ => None,
        }
    }
}

const READY_WITHIN: Duration = Duration::from_mins(1);

/// The emulator, without its look at the retention period: that counts the whole queue several times for each message
/// that is handed out, and makes a queue of some hundred messages stand still.
const SERVER: &str = "import moto.sqs.models as sqs
from moto.server import main
sqs.SQSBackend.is_message_valid_based_on_retention_period = lambda *_: True
main()";

pub async fn start(project: &Project, log: PathBuf) -> anyhow::Result<(Process, String)> {
    let step = Step::start("AWS emulator");
    let port = ports::free()?;
    let mut process = Process::start(Plan {
        name: "the AWS emulator",
        program: project.python(),
        arguments: ["-c", SERVER, "-H", "127.0.0.1", "-p", &port.to_string()].map(Into::into).to_vec(),
        directory: project.root.clone(),
        environment: vec![("PYTHONDONTWRITEBYTECODE", "1".into()), ("MOTO_ACCOUNT_ID", "123456789012".into())],
        unset: &["PYTHONPATH", "PYTHONHOME"],
        stop: StopSignal::Term,
        user: None,
        output: Output::File(log),
    })
    .context("run `make setup` first")?;
    let endpoint = format!("http://127.0.0.1:{port}");
    let probe = format!("{endpoint}/moto-api/data.json");
    let client = reqwest::Client::new();
    process
        .wait_until(READY_WITHIN, || async {
            client.get(&probe).send().await.is_ok_and(|answer| answer.status().is_success())
        })
        .await?;
    step.done(&format!("on {endpoint} (S3, SQS, Secrets Manager)"));
    Ok((process, endpoint))
}

/// The variables that lead an AWS SDK to the emulator.
pub fn environment(endpoint: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_REGION", REGION.into()),
        ("AWS_ACCESS_KEY_ID", "local".into()),
        ("AWS_SECRET_ACCESS_KEY", "local".into()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
    ]
}

/// What a shell may have set that would lead it elsewhere. (The SDK refuses dual-stack together with an endpoint.)
pub const UNSET: &[&str] =
    &["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_USE_FIPS_ENDPOINT", "AWS_DEFAULT_REGION"];

/// Makes the secrets, the buckets and the queues.
pub async fn provision(
    endpoint: &str,
    keys: &Keys,
    master: &DatabaseUrl,
    receiver: &Receiver,
    wiring: &Wiring,
) -> anyhow::Result<Queues> {
    let step = Step::start("Secrets, buckets, queues");
    let config = sdk_config(endpoint);
    let mut app_secret = json!({
        "EVENTS_TOKEN": keys.events_token.expose_secret(),
        "HEALTH_TOKEN": keys.health_token.expose_secret(),
        "OPS_URL": receiver.url("ops"),
        "OPS_DIGEST_URL": receiver.url("ops-digest"),
    });
    for (name, secret) in keys.webhook_secrets() {
        app_secret[name] = json!(secret);
    }
    let login = |user: &str, password: &str| json!({"username": user, "password": password});
    let master_user = master.user.as_deref().unwrap_or("postgres");
    let master_password = master.password.as_ref().map_or("", |password| password.expose_secret());
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    for (name, value) in [
        (APP_SECRET, app_secret),
        (MASTER_LOGIN, login(master_user, master_password)),
        (APP_LOGIN, login("solo_app", keys.app_password.expose_secret())),
        (READER_LOGIN, login("solo_reader", keys.reader_password.expose_secret())),
        (RESTORER_LOGIN, login("solo_restorer", keys.restorer_password.expose_secret())),
    ] {
        let made = secrets.create_secret().name(name).secret_string(value.to_string()).send().await;
        made.with_context(|| format!("the secret {name} could not be made"))?;
    }
    // Addressed by path: a bucket's own host name does not resolve here.
    let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
    for bucket in [ASSETS_BUCKET, BACKUPS_BUCKET] {
        let made = s3.create_bucket().bucket(bucket).send().await;
        made.with_context(|| format!("the bucket {bucket} could not be made"))?;
    }
    let sqs = aws_sdk_sqs::Client::new(&config);
    let (inbox, inbox_dead) = queue(&sqs, INBOX_QUEUE, wiring.queue("Inbox")?).await?;
    let (outbound, outbound_dead) = queue(&sqs, OUTBOUND_QUEUE, wiring.queue("Outbound")?).await?;
    step.done("");
    Ok(Queues { inbox, inbox_dead, outbound, outbound_dead })
}

/// After how long a message that was handed out and not taken off comes again. (Those that are out already keep theirs.)
pub async fn set_visibility(backing: &Backing, time: Duration) -> anyhow::Result<()> {
    let sqs = aws_sdk_sqs::Client::new(&sdk_config(&backing.aws_endpoint));
    for url in [&backing.queues.inbox, &backing.queues.outbound] {
        let (name, value) = (aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout, time.as_secs().to_string());
        sqs.set_queue_attributes().queue_url(url).attributes(name, value).send().await?;
    }
    Ok(())
}

/// A queue and its dead-letter queue; their URLs.
async fn queue(sqs: &aws_sdk_sqs::Client, name: &str, settings: QueueSettings) -> anyhow::Result<(String, String)> {
    use aws_sdk_sqs::types::QueueAttributeName::{QueueArn, RedrivePolicy, VisibilityTimeout};
    let problem = || format!("the queue {name} could not be made");
    let dead = sqs.create_queue().queue_name(format!("{name}-dead")).send().await.with_context(problem)?;
    let dead = dead.queue_url.with_context(problem)?;
    let attributes = sqs.get_queue_attributes().queue_url(&dead).attribute_names(QueueArn).send().await;
    let attributes = attributes.with_context(problem)?.attributes.unwrap_or_default();
    let redrive = json!({"deadLetterTargetArn": attributes.get(&QueueArn), "maxReceiveCount": settings.receives});
    let made = sqs
        .create_queue()
        .queue_name(name)
        .attributes(VisibilityTimeout, settings.visibility.as_secs().to_string())
        .attributes(RedrivePolicy, redrive.to_string())
        .send()
        .await
        .with_context(problem)?;
    Ok((made.queue_url.with_context(problem)?, dead))
}

pub fn sdk_config(endpoint: &str) -> SdkConfig {
    use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "local", "local", None, None, "solo dev",
        )))
        .build()
}
