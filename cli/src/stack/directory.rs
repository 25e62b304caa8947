//! Directories that last as long as one run, and that the next run clears away when this one could not.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use crate::project::Project;

/// Where the servers keep their files during one run.
#[derive(Debug)]
pub struct RunDirectory {
    pub path: PathBuf,
    /// Held while the run lasts; the kernel lets go of it however the run ends.
    _lock: File,
    keep: bool,
}

impl RunDirectory {
    /// A new one, removed at the end.
    pub fn temporary(project: &Project) -> anyhow::Result<Self> {
        let base = base(project)?.join("run");
        make_open(&base)?;
        remove_abandoned(&base);
        let path = base.join(uuid::Uuid::now_v7().to_string());
        make_open(&path)?;
        let Some(lock) = lock(&path)? else { bail!("{} is in use", path.display()) };
        Ok(Self { path, _lock: lock, keep: false })
    }

    /// The one that `make dev` keeps its database in. Fails when another `make dev` of this clone is running.
    pub fn kept(project: &Project) -> anyhow::Result<Self> {
        let path = base(project)?;
        make_open(&path)?;
        let Some(lock) = lock(&path)? else { bail!("`make dev` is already running in this clone") };
        Ok(Self { path, _lock: lock, keep: true })
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            eprintln!("{} could not be removed: {error}", self.path.display());
        }
    }
}

/// `.dev`, unless PostgreSQL has to run as someone who cannot see into the clone: then a place that all can reach.
fn base(project: &Project) -> anyhow::Result<PathBuf> {
    if !nix::unistd::geteuid().is_root() || project.is_open_to_all() {
        return Ok(project.dev_dir());
    }
    let shared = std::env::temp_dir().join(format!("solo-os-{}", project.fingerprint()));
    make_open(&shared)?;
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::symlink_metadata(&shared)?);
    if owner != 0 {
        bail!("{} belongs to someone else; remove it", shared.display());
    }
    Ok(shared)
}

/// Others may walk through (`nobody` runs PostgreSQL for root), and read nothing that is not meant for them: the data
/// directory and the files with secrets have modes of their own.
fn make_open(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("{} cannot be made", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o711))?;
    Ok(())
}

/// `None` when someone else holds it.
fn lock(path: &Path) -> anyhow::Result<Option<File>> {
    let file = File::options().create(true).append(true).open(path.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

fn remove_abandoned(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if matches!(lock(&entry.path()), Ok(Some(_))) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
