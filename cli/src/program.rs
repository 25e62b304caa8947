//! The path of `solo` itself, for what it starts again as another process (the guard) or finds beside itself.
//!
//! Asked for once, at the start: `solo demo` and `solo dev` build, and a new build takes the file's place. Linux then says of the
//! running program only that its file was deleted.

use std::{path::PathBuf, sync::OnceLock};

use anyhow::Context as _;

static PATH: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Call it first thing in `main`.
pub fn remember() {
    PATH.get_or_init(|| std::env::current_exe().ok());
}

pub fn path() -> anyhow::Result<PathBuf> {
    remember();
    PATH.get().cloned().flatten().context("the path of `solo` itself is unknown")
}
