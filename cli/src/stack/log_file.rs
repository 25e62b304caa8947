//! The log of the local functions: one JSON object a line, in two files of bounded size. When the newer one is full it takes the
//! older one's place.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use crate::project::Project;

/// Of each of the two.
pub const LARGEST: u64 = 10 << 20;

/// The file that is written, and the one before it.
pub fn functions_log(project: &Project) -> (PathBuf, PathBuf) {
    let logs = project.dev_dir().join("logs");
    (logs.join("functions.jsonl"), logs.join("functions.1.jsonl"))
}

pub struct LogFile {
    path: PathBuf,
    before: PathBuf,
    file: File,
    length: u64,
    largest: u64,
}

impl LogFile {
    /// Goes on with what is there.
    pub fn open(path: PathBuf, before: PathBuf, largest: u64) -> io::Result<Self> {
        let file = append(&path)?;
        let length = file.metadata()?.len();
        Ok(Self { path, before, file, length, largest })
    }

    /// Adds a line, with its end, in one write: whoever reads sees it whole or not at all.
    pub fn write(&mut self, line: &str) -> io::Result<()> {
        let bytes = [line.as_bytes(), b"\n"].concat();
        let length = bytes.len() as u64;
        if self.length > 0 && self.length + length > self.largest {
            fs::rename(&self.path, &self.before)?;
            (self.file, self.length) = (append(&self.path)?, 0);
        }
        self.file.write_all(&bytes)?;
        self.length += length;
        Ok(())
    }
}

/// For its owner only: errors may quote what nobody else should read.
fn append(path: &std::path::Path) -> io::Result<File> {
    File::options().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn no_more_than_two_files_of_a_size_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (path, before) = (directory.path().join("log"), directory.path().join("before"));
        let open = || LogFile::open(path.clone(), before.clone(), 10).unwrap();
        let mut log = open();
        for line in ["aaaa", "bbbb", "cccc"] {
            log.write(line).unwrap();
        }
        let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!((read(&before).as_str(), read(&path).as_str()), ("aaaa\nbbbb\n", "cccc\n"));
        drop(log);
        let mut log = open();
        log.write("dddd").unwrap();
        log.write("longer than the file").unwrap();
        assert_eq!((read(&before).as_str(), read(&path).as_str()), ("cccc\ndddd\n", "longer than the file\n"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
