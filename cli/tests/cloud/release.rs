//! A clone that is about to be released, with a stand-in for sam and for cargo-lambda.

use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use tokio::process::Command;

use crate::{
    cloudformation::change,
    world::{World, said},
};

const TEMPLATE: &str = "\
Parameters:
  Stage: {Type: String}
  Release: {Type: String, Default: manual}
  Architecture: {Type: String, Default: arm64}
  AlarmEmail: {Type: String, Default: ''}
  DatabaseClass: {Type: String, Default: db.t4g.micro}
Resources:
  Webhooks:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: webhooks}}
    Properties: {FunctionName: !Sub '${AWS::StackName}-webhooks', VersionDescription: !Ref Release}
  Database: {Type: AWS::Serverless::Application, Properties: {Location: infra/database.yaml}}
";

/// What puts `pg_dump` into place does.
const PYTHON: &str = "#!/bin/sh\necho \"$@\" >> \"$SAM_ROOT/programs.log\"\n";

/// What cargo-lambda does: the binaries, unless it is told to fail.
const CARGO_LAMBDA: &str = "#!/bin/sh
[ \"$2\" = --version ] && { echo cargo-lambda 1.9.2; exit; }
echo \"$@\" >> \"$SAM_ROOT/cargo.log\"
[ -n \"$BUILD_FAILS\" ] && { echo 'error[E0308]: mismatched types' >&2; exit 101; }
mkdir -p target/lambda/webhooks && : > target/lambda/webhooks/bootstrap
";

pub struct Deploy {
    pub world: World,
    pub bucket: String,
    /// The commit.
    pub release: String,
}

impl Deploy {
    /// A stage at `r2`, and a clone with one commit after that. The preview finds one harmless change.
    pub async fn new() -> Self {
        let world = World::new(&["r1", "r2"]).await;
        let bucket = format!("{}-artifacts", world.stack);
        let config = shared::aws::sdk_config().await;
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config).create_bucket().bucket(&bucket).send().await.unwrap();
        let root = world.clone.path();
        write(root, "template.yaml", TEMPLATE, 0o644);
        write(root, "app/flags.json", r#"{"flags": {}}"#, 0o644);
        write(root, ".gitignore", "target\n.venv*\n*.log\n*.pid\nsam\n", 0o644);
        write(root, ".venv/bin/cargo-lambda", CARGO_LAMBDA, 0o755);
        write(root, ".venv/bin/python", PYTHON, 0o755);
        write(root, ".venv-infra/bin/python", "#!/bin/sh\necho 0.15.2\n", 0o755);
        let python = testkit::variable("SOLO_TEST_PYTHON");
        write(root, "sam", &format!("#!{python}\n{}", include_str!("sam.py")), 0o755);
        for arguments in [
            &["init", "-q"][..],
            &["add", "."],
            &["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "x"],
        ] {
            assert!(Command::new("git").args(arguments).current_dir(root).status().await.unwrap().success());
        }
        let head = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).current_dir(root).output().await;
        let release = String::from_utf8(head.unwrap().stdout).unwrap().trim().to_owned();
        let deploy = Self { world, bucket, release };
        deploy.changes(&[("root-set", change("Modify", "Webhooks", "AWS::Lambda::Function", "False", None))]);
        deploy.world.front.stack.lock().unwrap().parameters.insert("DatabaseClass".into(), "db.t4g.small".into());
        deploy
    }

    pub fn changes(&self, sets: &[(&str, String)]) {
        let sets = sets.iter().map(|(name, changes)| ((*name).to_owned(), changes.clone()));
        self.world.front.stack.lock().unwrap().changes = sets.collect();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command(&[&["deploy", "--ready-within", "1"], arguments].concat());
        let root = self.world.clone.path();
        command.env("SOLO_SAM", root.join("sam")).env("SAM_ROOT", root).env("SAM_BUCKET", &self.bucket);
        command.env("SAM_STACK", &self.world.stack).env("SAM_MOTO", testkit::variable("AWS_ENDPOINT_URL"));
        command.env_remove("CI").stdin(Stdio::null());
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> (i32, String) {
        said(self.command(arguments)).await
    }

    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.world.clone.path().join(name)).unwrap_or_default()
    }

    /// `package` or `deploy`, in order.
    pub fn sam(&self) -> Vec<String> {
        self.log("sam.log").lines().map(|line| line.split('\x1f').next().unwrap().to_owned()).collect()
    }

    pub async fn record(&self) -> serde_json::Value {
        let mut records = self.world.deployments().await;
        assert_eq!(records.len(), 1);
        records.remove(0)
    }
}

pub fn write(root: &Path, name: &str, text: &str, mode: u32) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}
