//! A clone of this project beside it, and its local stack, as `make dev` starts it.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    os::unix::{fs::symlink, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tokio::time::Instant;

/// It compiles the workspace; what the workspace depends on is there already.
const READY_WITHIN: Duration = Duration::from_mins(20);
/// No command that is documented may wait for ever.
const SHELL_WITHIN: Duration = Duration::from_mins(5);
/// What is built, installed or stored.
const NO_SOURCES: [&str; 5] = ["target", ".git", ".dev", ".aws-sam", "__pycache__"];
const POLL: Duration = Duration::from_millis(300);
const STOPS_WITHIN: Duration = Duration::from_mins(1);

pub struct Stack {
    pub root: PathBuf,
    child: Child,
    /// While it is open, the stack runs.
    lifeline: Option<ChildStdin>,
    log: PathBuf,
}

impl Stack {
    /// With `change` made to the clone before anything is built. What a run before this one has built is used again.
    pub fn start(change: impl FnOnce(&Path)) -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let root = project.join("target/runbook");
        copy_sources(project, &root);
        link_built(&project.join("target/debug"), &root.join("target/debug"));
        if !root.join(".venv").exists() {
            symlink(project.join(".venv"), root.join(".venv")).unwrap();
        }
        let _ = fs::remove_dir_all(root.join(".dev"));
        change(&root);
        // Not among the sources: each line of it would be a change.
        let log = root.join("target/dev.log");
        let output = fs::File::create(&log).unwrap();
        let mut command = clean(Command::new(env!("CARGO_BIN_EXE_solo")));
        // Its guard stops it when this process is gone, however that went.
        command.args(["guard", "--stop", "INT", "--grace", "60", "--", env!("CARGO_BIN_EXE_solo"), "dev"]);
        command.current_dir(&root).stdin(Stdio::piped()).stdout(output.try_clone().unwrap()).stderr(output);
        let mut child = command.process_group(0).spawn().unwrap();
        let lifeline = child.stdin.take();
        let mut stack = Self { root, child, lifeline, log };
        stack.wait_until("the stack is ready", READY_WITHIN, |stack| {
            stack.root.join(".dev/ready").is_file().then_some(())
        });
        stack
    }

    /// As a shell runs it in the clone: the exit code, and all that was printed.
    pub fn sh(&self, command: &str) -> (i32, String) {
        let (code, text) = self.sh_for(command, SHELL_WITHIN);
        (code.unwrap_or_else(|| panic!("{command} does not end:\n{text}")), text)
    }

    /// The same, and stopped after that time. No exit code: it was still running.
    pub fn sh_for(&self, command: &str, time: Duration) -> (Option<i32>, String) {
        let said = tempfile::NamedTempFile::new().unwrap();
        let mut shell = clean(Command::new("sh"));
        shell.args(["-c", command]).current_dir(&self.root).env("NO_COLOR", "1").env("COLUMNS", "200");
        shell.stdin(Stdio::null()).stdout(append(said.path())).stderr(append(said.path()));
        let mut child = shell.spawn().unwrap();
        let deadline = Instant::now() + time;
        let mut ended = None;
        while ended.is_none() && Instant::now() < deadline {
            sleep(POLL / 10);
            ended = child.try_wait().unwrap();
        }
        if ended.is_none() {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        let text = String::from_utf8_lossy(&fs::read(said.path()).unwrap()).into_owned();
        (ended.map(|status| status.code().unwrap_or(-1)), text)
    }

    /// Asks again and again; fails with the end of the stack's log when it takes too long.
    pub fn wait_until<T>(&mut self, what: &str, within: Duration, mut ask: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + within;
        loop {
            if let Some(answer) = ask(self) {
                return answer;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "never: {what} ({ended:?})\n{}", self.log_tail());
            sleep(POLL);
        }
    }

    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let deadline = Instant::now() + STOPS_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            sleep(POLL);
        }
        let _ = self.child.kill();
    }
}

fn append(path: &Path) -> fs::File {
    fs::File::options().append(true).open(path).unwrap()
}

/// Without what cargo and a test stack put into the environment: it would lead the clone elsewhere.
#[allow(clippy::disallowed_methods, reason = "what is there, not what a setting says")]
fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let ours = ["CARGO_HOME", "CARGO_INCREMENTAL", "CARGO_BUILD_JOBS"].contains(&name.as_str());
        let leads = ["CARGO", "AWS_", "SOLO_", "PG_", "DATABASE_URL", "LD_LIBRARY_PATH"];
        if !ours && leads.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// Everything but what is built, installed or stored. Files that are the same keep their time, so that nothing is built for them.
fn copy_sources(from: &Path, to: &Path) {
    let names = sources(from, from);
    assert!(names.len() > 300, "{} has few sources: {names:?}", from.display());
    remove_others(to, to, &names);
    for name in names {
        let (source, target) = (from.join(&name), to.join(&name));
        let content = fs::read(&source).unwrap();
        if fs::read(&target).is_ok_and(|there| there == content) {
            continue;
        }
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&source, &target).unwrap();
    }
}

/// As paths below `root`. Not through links.
fn sources(root: &Path, directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_source = !NO_SOURCES.contains(&name.as_str()) && !name.starts_with(".venv");
        if kind.is_dir() && is_source {
            found.extend(sources(root, &path));
        } else if kind.is_file() && is_source {
            found.insert(path.strip_prefix(root).unwrap().to_owned());
        }
    }
    found
}

/// What is not there any more. A migration that was renamed would be there twice.
fn remove_others(root: &Path, directory: &Path, names: &BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let entry = entry.unwrap();
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap().to_owned();
        if ["target", ".dev", ".venv"].iter().any(|kept| name == Path::new(kept)) {
            continue;
        }
        // Not through a link: what it leads to is not the clone's.
        if entry.file_type().unwrap().is_dir() {
            remove_others(root, &path, names);
        } else if !names.contains(&name) {
            fs::remove_file(&path).unwrap();
        }
    }
}

/// The dependencies of the workspace, compiled: they are the same there. Links, but for what cargo writes in place.
fn link_built(from: &Path, to: &Path) {
    for (name, in_place) in [("deps", false), ("build", true), (".fingerprint", true)] {
        if !to.join(name).exists() {
            link_all(&from.join(name), &to.join(name), in_place);
        }
    }
}

fn link_all(from: &Path, to: &Path, copy: bool) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let source = entry.unwrap().path();
        let target = to.join(source.file_name().unwrap());
        let dependency = source
            .extension()
            .is_some_and(|extension| ["rlib", "rmeta", "so", "dylib"].iter().any(|it| extension == *it));
        if source.is_dir() {
            link_all(&source, &target, copy);
        } else if copy {
            fs::copy(&source, &target).unwrap();
            let modified = fs::metadata(&source).unwrap().modified().unwrap();
            fs::File::options().append(true).open(&target).unwrap().set_modified(modified).unwrap();
        } else if dependency {
            fs::hard_link(&source, &target).unwrap();
        }
    }
}

/// In a file of the clone: `from`, which has to be there, becomes `to`.
pub fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} has no {from:?} any more", file.display());
    let mut out = fs::File::create(file).unwrap();
    out.write_all(text.replacen(from, to, 1).as_bytes()).unwrap();
}
