//! The log of the local stack: the two files that `solo dev` writes (`stack/log_file.rs`).

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
};

use anyhow::Context as _;

use super::{
    line::Line,
    wanted::{Newest, Wanted},
};
use crate::{project::Project, stack::functions_log};

/// A longer line is none of ours.
const LONGEST: u64 = 512 * 1024;

pub struct Local {
    path: PathBuf,
    before: PathBuf,
    /// How far the file was read, and which file that was.
    place: Option<(u64, u64)>,
}

impl Local {
    pub fn open() -> anyhow::Result<Self> {
        let (path, before) = functions_log(&Project::find()?);
        anyhow::ensure!(
            path.is_file(),
            "{} is not there: `make dev` writes it, from the first line that a function logs",
            path.display()
        );
        Ok(Self { path, before, place: None })
    }

    /// What is there by now. [`Local::more`] goes on behind it.
    pub fn all(&mut self, wanted: &Wanted, most: usize) -> anyhow::Result<Newest> {
        let mut newest = Newest::new(most);
        let current = self.current()?;
        // Rotated between the two looks: its lines are in the file that is open.
        if let Ok(older) = File::open(&self.before) {
            read(older, 0, |line| keep(&mut newest, wanted, line))?;
        }
        self.place = Some((inode(&current)?, read(current, 0, |line| keep(&mut newest, wanted, line))?));
        Ok(newest)
    }

    /// What came since the last look, in the order in which it came.
    pub fn more(&mut self, wanted: &Wanted) -> anyhow::Result<Vec<Line>> {
        let mut lines = Vec::new();
        let mut take = |line: Line| {
            if wanted.fits(&line) {
                lines.push(line);
            }
        };
        let current = self.current()?;
        let id = inode(&current)?;
        let start = match self.place {
            Some((same, place)) if same == id => place,
            Some((older, place)) => {
                // It was rotated: the rest of the old one, then the new one.
                if let Ok(before) = File::open(&self.before)
                    && inode(&before)? == older
                {
                    read(before, place, &mut take)?;
                }
                0
            }
            None => 0,
        };
        self.place = Some((id, read(current, start, &mut take)?));
        Ok(lines)
    }

    fn current(&self) -> anyhow::Result<File> {
        File::open(&self.path).with_context(|| format!("{} cannot be read", self.path.display()))
    }
}

fn keep(newest: &mut Newest, wanted: &Wanted, line: Line) {
    if wanted.fits(&line) {
        newest.add(line);
    }
}

fn inode(file: &File) -> anyhow::Result<u64> {
    Ok(file.metadata()?.ino())
}

/// Every whole line from `start` on; where the next one begins.
fn read(mut file: File, start: u64, mut take: impl FnMut(Line)) -> anyhow::Result<u64> {
    let mut place = file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::new(file);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let length = (&mut reader).take(LONGEST).read_until(b'\n', &mut bytes)?;
        let cut = length as u64 == LONGEST;
        // The end of a line that is being written comes later.
        if length == 0 || (bytes.last() != Some(&b'\n') && !cut) {
            return Ok(place);
        }
        place += length as u64;
        if let Some(line) = std::str::from_utf8(&bytes).ok().and_then(|text| Line::read(text.trim_end(), None)) {
            take(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, io::Write as _};

    use jiff::Timestamp;

    use super::*;
    use crate::{logs::line::Level, stack::LogFile};

    fn text(number: u32) -> String {
        format!(r#"{{"timestamp":"2026-11-22T15:04:05Z","level":"INFO","function":"worker","message":"{number}"}}"#)
    }

    fn wanted() -> Wanted {
        let since = Timestamp::UNIX_EPOCH;
        Wanted { functions: BTreeSet::new(), correlation_id: None, level: Level::Debug, since, until: None }
    }

    fn numbers(lines: &[Line]) -> Vec<u32> {
        lines.iter().map(|line| line.message.parse().unwrap()).collect()
    }

    #[test]
    fn a_log_is_read_and_followed_over_its_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let (path, before) = (directory.path().join("a"), directory.path().join("a.1"));
        // Four lines fit into a file.
        let mut log = LogFile::open(path.clone(), before.clone(), text(10).len() as u64 * 4 + 4).unwrap();
        let mut write = |number: u32| log.write(&text(number)).unwrap();
        (10..16).for_each(&mut write);
        let mut local = Local { path: path.clone(), before, place: None };
        let (lines, cut) = local.all(&wanted(), 100).unwrap().in_order();
        assert_eq!((numbers(&lines), cut), ((10..16).collect(), false));
        assert!(local.more(&wanted()).unwrap().is_empty());
        (16..20).for_each(&mut write);
        assert_eq!(numbers(&local.more(&wanted()).unwrap()), [16, 17, 18, 19]);
        let (lines, cut) = local.all(&wanted(), 2).unwrap().in_order();
        assert_eq!((numbers(&lines), cut), (vec![18, 19], true));

        // A line that is being written is waited for; what is no line is passed over.
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"\xff\xfe no\n").unwrap();
        file.write_all(&text(20).as_bytes()[..30]).unwrap();
        assert!(local.more(&wanted()).unwrap().is_empty());
        file.write_all(&text(20).as_bytes()[30..]).unwrap();
        file.write_all(b"\n").unwrap();
        assert_eq!(numbers(&local.more(&wanted()).unwrap()), [20]);
    }
}
