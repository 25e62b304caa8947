//! Directories that only this user may enter.

use std::{fs::Permissions, io, os::unix::fs::PermissionsExt as _};

use tempfile::TempDir;

/// In the temporary directory; removed with its handle.
pub(crate) fn directory(prefix: &str) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix(prefix).permissions(Permissions::from_mode(0o700)).tempdir()
}
