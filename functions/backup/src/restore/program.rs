//! Running `pg_restore`: on a stream, or on a file.

use std::{
    collections::VecDeque,
    io::Write as _,
    path::Path,
    process::{Output, Stdio},
};

use secrecy::ExposeSecret as _;
use shared::db::DatabaseUrl;
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStderr, ChildStdin, Command},
    sync::watch,
    time::sleep,
};
use tokio_postgres::Client;

use super::{LOOK_EVERY, RestoreError, Step, list};
use crate::{
    bridge::Bridge,
    manifest::Manifest,
    programs::Programs,
    store::{Store, StoreError},
    unpack::Unpacked,
};

/// The head of an archive, with its table of contents, that is kept until that is read.
const LARGEST_HEAD: usize = 64 << 20;
/// What is kept of what the program says.
const LONGEST_COMPLAINT: u64 = 64 * 1024;

pub(super) struct Work<'a> {
    pub(super) programs: &'a Programs,
    pub(super) bridge: &'a Bridge,
    pub(super) url: &'a DatabaseUrl,
    pub(super) can: list::Can,
    pub(super) step: &'a watch::Sender<Step>,
}

impl Work<'_> {
    /// Table after table, in constant memory. What was left out.
    pub(super) async fn stream(&self, store: &Store, manifest: &Manifest) -> Result<Vec<String>, RestoreError> {
        let mut archive = Unpacked::of(store.download(manifest), manifest);
        let mut head = VecDeque::new();
        let contents = read_list(self.programs, &mut archive, |chunk| head.push_back(chunk)).await?;
        let (file, left_out) = self.list_file(&contents)?;
        let mut child = self.command(file.path()).stdin(Stdio::piped()).spawn().map_err(cannot_run)?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let feed = async {
            let fed = self.feed(stdin, head, &mut archive, manifest).await;
            // It would go on with what it got.
            if fed.is_err() {
                child.start_kill()?;
            }
            Ok::<_, RestoreError>(fed)
        };
        // Its complaints are read all the while, or it would wait for that.
        let (fed, complaint) = tokio::join!(feed, complaint(stderr));
        let fed = fed?;
        self.ended(child, &complaint, fed).await?;
        Ok(left_out)
    }

    /// Its end is only told to the program when the whole archive has proven to be right.
    async fn feed(
        &self,
        stdin: Option<ChildStdin>,
        mut head: VecDeque<Vec<u8>>,
        archive: &mut Unpacked,
        manifest: &Manifest,
    ) -> Result<(), StoreError> {
        let Some(mut stdin) = stdin else { return Ok(()) };
        let (mut open, mut bytes) = (true, 0);
        let expected_bytes = manifest.archive.plain_bytes;
        loop {
            let chunk = match head.pop_front() {
                Some(chunk) => chunk,
                None => match archive.next().await? {
                    Some(chunk) => chunk,
                    None => return Ok(()),
                },
            };
            bytes += chunk.len() as u64;
            // A program that has ended says why. The rest is read all the same: is the archive at fault?
            open = open && stdin.write_all(&chunk).await.is_ok();
            self.step.send_replace(Step { phase: "restore", bytes, expected_bytes });
        }
    }

    /// Some tables at a time. What was left out.
    pub(super) async fn file(
        &self,
        path: &Path,
        jobs: u16,
        client: &Client,
        expected_bytes: u64,
    ) -> Result<Vec<String>, RestoreError> {
        let listed = self.programs.pg_restore().arg("--list").arg(path).output().await.map_err(cannot_run)?;
        let (file, left_out) = self.list_file(&said(&listed)?)?;
        let mut command = self.command(file.path());
        command.arg(format!("--jobs={jobs}")).arg(path);
        let mut child = command.spawn().map_err(cannot_run)?;
        let stderr = child.stderr.take();
        let look = async {
            loop {
                sleep(LOOK_EVERY).await;
                let size = client.query_one("SELECT pg_database_size(current_database())", &[]).await;
                let bytes = size.ok().and_then(|row| u64::try_from(row.get::<_, i64>(0)).ok()).unwrap_or_default();
                self.step.send_replace(Step { phase: "restore", bytes, expected_bytes });
            }
        };
        let complaint = tokio::select! {
            complaint = complaint(stderr) => complaint,
            () = look => String::new(),
        };
        self.ended(child, &complaint, Ok(())).await?;
        Ok(left_out)
    }

    fn command(&self, list: &Path) -> Command {
        let mut command = self.programs.pg_restore();
        command
            .args(["--no-owner", "--exit-on-error", "--port=5432"])
            .arg(format!("--dbname={}", conninfo(&self.url.database)))
            .arg("--host")
            .arg(self.bridge.host())
            .arg("--use-list")
            .arg(list)
            // A crash of the server is as if there had been no restore: nothing of it has to wait for the disk.
            .env("PGOPTIONS", "-c synchronous_commit=off -c lock_timeout=60s")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(user) = &self.url.user {
            command.env("PGUSER", user);
        }
        if let Some(password) = &self.url.password {
            command.env("PGPASSWORD", password.expose_secret());
        }
        command
    }

    fn list_file(&self, contents: &str) -> Result<(NamedTempFile, Vec<String>), RestoreError> {
        let (kept, left_out) = list::list_file(contents, &self.can);
        let mut file = NamedTempFile::with_prefix("solo-restore-")?;
        file.write_all(kept.as_bytes())?;
        Ok((file, left_out))
    }

    /// Damage explains whatever the program says.
    async fn ended(&self, mut child: Child, complaint: &str, fed: Result<(), StoreError>) -> Result<(), RestoreError> {
        let status = child.wait().await?;
        fed?;
        if status.success() {
            return Ok(());
        }
        let bridge = self.bridge.fault().map(|fault| format!(" (the connection: {fault})")).unwrap_or_default();
        Err(RestoreError::Program(format!("{}{bridge}", reason(complaint, status.code()))))
    }
}

/// The table of contents, from the head of a stream. `keep` gets what was taken from it.
pub(crate) async fn read_list(
    programs: &Programs,
    archive: &mut Unpacked,
    mut keep: impl FnMut(Vec<u8>),
) -> Result<String, RestoreError> {
    let mut command = programs.pg_restore();
    command.arg("--list").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(cannot_run)?;
    let stdin = child.stdin.take();
    let output = child.wait_with_output();
    tokio::pin!(output);
    let feed = async {
        let Some(mut stdin) = stdin else { return Ok(()) };
        let mut taken = 0;
        while let Some(chunk) = archive.next().await? {
            taken += chunk.len();
            let open = stdin.write_all(&chunk).await.is_ok();
            keep(chunk);
            if !open {
                break;
            }
            if taken > LARGEST_HEAD {
                return Err(RestoreError::Program("the archive's table of contents has no end".into()));
            }
        }
        drop(stdin);
        Ok(())
    };
    // It ends when it has read the contents, and with it the pipe.
    let (fed, output) = tokio::join!(feed, &mut output);
    fed?;
    said(&output.map_err(cannot_run)?)
}

fn said(output: &Output) -> Result<String, RestoreError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(RestoreError::Program(reason(&complaint, output.status.code())))
}

/// The beginning of what it complains of; the rest is read and dropped.
async fn complaint(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let mut beginning = Vec::new();
    // What cannot be read is not told; the exit code still is.
    let _ = (&mut stderr).take(LONGEST_COMPLAINT).read_to_end(&mut beginning).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&beginning).into_owned()
}

/// Without the statement that failed and its detail: they may quote data.
fn reason(complaint: &str, code: Option<i32>) -> String {
    let lines: Vec<_> = complaint
        .lines()
        .map(|line| line.strip_prefix("pg_restore: ").unwrap_or(line))
        .filter(|line| line.starts_with("error:") || line.starts_with("fatal:") || line.starts_with("from TOC entry"))
        .take(4)
        .collect();
    match code {
        _ if !lines.is_empty() => lines.join("; "),
        Some(code) => format!("it ended with code {code} and without a reason"),
        None => "it was killed".into(),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err passes")]
fn cannot_run(error: std::io::Error) -> RestoreError {
    RestoreError::Program(format!("it cannot be run: {error}"))
}

/// A database's name may look like a connection string, and must not be taken for one.
fn conninfo(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', r"\\").replace('\'', r"\'"))
}
