//! A stage: functions with versions in moto's Lambda, a stack that lists them, and a clone that knows it.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_lambda::{
    primitives::Blob,
    types::{FunctionCode, Runtime},
};
use ops::Environment;
use serde_json::{Value, json};
use shared::{
    aws::Services,
    db::{Credentials, Database},
};
use testkit::{AppSecret, TestDatabase, TestQueues, TestSecrets};
use tokio::process::Command;
use uuid::Uuid;

use crate::{cloudformation::Stack, front::Front};

pub const FUNCTIONS: [&str; 5] = ["courier", "health", "ops", "webhooks", "worker"];

pub struct World {
    pub kept: TestDatabase,
    pub clone: tempfile::TempDir,
    pub front: Front,
    pub stack: String,
    pub lambda: aws_sdk_lambda::Client,
    pub secret: TestSecrets,
}

impl World {
    /// A deployed stage whose functions have a version for each of `releases`; the aliases point at the last.
    pub async fn new(releases: &[&str]) -> Self {
        let kept = TestDatabase::new().await;
        let services = Services::from_env(&TestQueues::create().await.config).await;
        let database = Database::new(kept.app_url(), Credentials::Url, &[]).unwrap();
        let environment = Arc::new(Environment { database, inbox: services.inbox });
        let stack = format!("solo-{}", &Uuid::new_v4().simple().to_string()[..12]);
        let secret = TestSecrets::create(&AppSecret::random().json()).await;
        let front = Front::start(
            environment,
            Stack {
                name: stack.clone(),
                status: Some("CREATE_COMPLETE".into()),
                aliases: [FUNCTIONS.as_slice(), &["migrate"]]
                    .concat()
                    .into_iter()
                    .map(|name| format!("{stack}-{name}"))
                    // CodeDeploy's hook is in the stack, too, and is left alone.
                    .chain([format!("CodeDeployHook_{stack}-smoke")])
                    .map(|name| format!("arn:aws:lambda:us-east-1:123456789012:function:{name}:live"))
                    .collect(),
                ..Stack::default()
            },
        )
        .await;
        front.stack.lock().unwrap().outputs =
            BTreeMap::from([("ApiUrl".into(), format!("{}/", front.url)), ("AppSecretArn".into(), secret.id.clone())]);
        let world = Self {
            kept,
            clone: tempfile::tempdir().unwrap(),
            lambda: aws_sdk_lambda::Client::new(&shared::aws::sdk_config().await),
            front,
            stack,
            secret,
        };
        let samconfig = ["staging", "production"].map(|stage| {
            format!(
                "[{stage}.global.parameters]\nstack_name = '{}'\nregion = 'us-east-1'\n\
                 [{stage}.deploy.parameters]\nparameter_overrides = ['Stage={stage}', 'AlarmEmail=a b@example.org']\n",
                world.stack
            )
        });
        for (name, text) in [
            ("solo.toml", "[providers.stripe]\nenabled = true\n"),
            ("Cargo.toml", ""),
            ("samconfig.toml", &samconfig.concat()),
        ] {
            std::fs::write(world.clone.path().join(name), text).unwrap();
        }
        make_role().await;
        for name in FUNCTIONS {
            world.function(name, releases).await;
        }
        // It has the alias, too, and says nothing of releases: the schema does not go back.
        world.function("migrate", &[""]).await;
        world
    }

    /// Asks moto for an operation that no SDK here has.
    pub async fn aws(&self, target: &str, service: &str, request: &Value) {
        let scope = format!("Credential=a/20261122/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0");
        let request = reqwest::Client::new()
            .post(testkit::variable("AWS_ENDPOINT_URL"))
            .header("x-amz-target", target)
            .header("authorization", format!("AWS4-HMAC-SHA256 {scope}"))
            .header("content-type", "application/x-amz-json-1.0")
            .body(request.to_string());
        request.send().await.unwrap().error_for_status().unwrap();
    }

    async fn function(&self, name: &str, releases: &[&str]) {
        let function = format!("{}-{name}", self.stack);
        let made = self.lambda.create_function().function_name(&function).runtime(Runtime::Providedal2023);
        let code = |text: &str| Blob::new(zip(text));
        made.role("arn:aws:iam::123456789012:role/functions")
            .handler("bootstrap")
            .code(FunctionCode::builder().zip_file(code("none")).build())
            .send()
            .await
            .unwrap();
        for release in releases {
            self.publish(name, release).await;
        }
        let current = releases.len().to_string();
        self.lambda
            .create_alias()
            .function_name(&function)
            .name("live")
            .function_version(current)
            .send()
            .await
            .unwrap();
    }

    /// A new version of a function.
    pub async fn publish(&self, name: &str, release: &str) -> String {
        let function = format!("{}-{name}", self.stack);
        let code = Blob::new(zip(&Uuid::new_v4().to_string()));
        self.lambda.update_function_code().function_name(&function).zip_file(code).send().await.unwrap();
        let published = self.lambda.publish_version().function_name(&function).description(release).send().await;
        published.unwrap().version.unwrap()
    }

    pub async fn point(&self, name: &str, version: &str) {
        let function = format!("{}-{name}", self.stack);
        let update = self.lambda.update_alias().function_name(function).name("live").function_version(version);
        update.send().await.unwrap();
    }

    /// What the aliases point at, in the order of [`FUNCTIONS`].
    pub async fn live(&self) -> Vec<String> {
        let mut versions = Vec::new();
        for name in FUNCTIONS {
            let function = format!("{}-{name}", self.stack);
            let alias = self.lambda.get_alias().function_name(function).name("live").send().await.unwrap();
            versions.push(alias.function_version.unwrap());
        }
        versions
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_solo"));
        command
            .args(arguments)
            .current_dir(self.clone.path())
            .env("AWS_ENDPOINT_URL", &self.front.url)
            .env("NO_COLOR", "1")
            .kill_on_drop(true);
        command
    }

    /// The exit code, and all that was printed.
    pub async fn solo(&self, arguments: &[&str]) -> (i32, String) {
        said(self.command(arguments)).await
    }

    /// What is on record, newest first.
    pub async fn deployments(&self) -> Vec<Value> {
        let all = "SELECT coalesce(jsonb_agg(d ORDER BY finished_at DESC, id DESC), '[]')::text FROM deployments d";
        serde_json::from_str(&self.kept.text(all).await).unwrap()
    }
}

pub async fn said(mut command: Command) -> (i32, String) {
    let output = command.output().await.unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// Lambda takes no function without a role that it may assume.
async fn make_role() {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]});
    let mut url = reqwest::Url::parse(&testkit::variable("AWS_ENDPOINT_URL")).unwrap();
    url.query_pairs_mut()
        .append_pair("Action", "CreateRole")
        .append_pair("Version", "2010-05-08")
        .append_pair("RoleName", "functions")
        .append_pair("AssumeRolePolicyDocument", &trust.to_string());
    let body = url.query().unwrap().to_owned();
    url.set_query(None);
    let signed =
        "AWS4-HMAC-SHA256 Credential=local/20261122/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x";
    // A second time it is there already.
    reqwest::Client::new()
        .post(url)
        .header("authorization", signed)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .unwrap();
}

/// Some bytes that differ: nobody runs them.
fn zip(text: &str) -> Vec<u8> {
    [b"PK\x05\x06".as_slice(), &[0; 18], text.as_bytes()].concat()
}
