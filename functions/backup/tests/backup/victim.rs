//! The function in a process of its own, so that it can have a bucket of its own, be measured, and be killed.

use std::process::Stdio;

use backup::Backup;
use serde_json::{Value, json};
use shared::{config::Env, db::DatabaseUrl};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::world::{World, run, settings};

const VICTIM: &str = "SOLO_TEST_VICTIM";

/// Not a test of its own.
#[tokio::test]
async fn victim() {
    let Some(variables) = Env::of_process().optional(VICTIM) else { return };
    let variables: Vec<(String, String)> = serde_json::from_str(&variables).unwrap();
    let variables: Vec<_> =
        variables.into_iter().map(|(name, value)| (&*Box::leak(name.into_boxed_str()), value)).collect();
    let backup = Backup::new(settings(&variables)).await.unwrap();
    let answer = run(&backup).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("victim: {}", json!({"ok": answer.as_ref().ok(), "error": answer.as_ref().err(), "peak": peak(&status)}));
}

/// Kilobytes, out of `/proc/<id>/status`.
pub fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

pub struct Victim {
    child: Child,
}

impl Victim {
    /// Takes a backup of `world`, over `url`, into the bucket at `endpoint`.
    pub fn start(world: &World, url: &DatabaseUrl, endpoint: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "victim::victim", "--nocapture"])
            .env(VICTIM, serde_json::to_string(&world.variables(url)).unwrap())
            .env("AWS_ENDPOINT_URL_S3", endpoint)
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        Self { child: command.spawn().unwrap() }
    }

    /// SIGKILL: it learns nothing of it.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// What it said in the end.
    pub async fn end(mut self) -> Value {
        let mut lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, said)) = line.split_once("victim: ") {
                return serde_json::from_str(said).unwrap();
            }
        }
        panic!("the function's process ended without a word");
    }
}

/// The process of `pg_dump` that dumps this database, if there is one.
pub fn pg_dump(database: &str) -> Option<u32> {
    let of = format!("PGDATABASE={database}");
    std::fs::read_dir("/proc").unwrap().find_map(|entry| {
        let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
        let environment = std::fs::read(format!("/proc/{id}/environ")).ok()?;
        let ours = environment.split(|byte| *byte == 0).any(|variable| variable == of.as_bytes());
        (name.trim() == "pg_dump" && ours).then_some(id)
    })
}
