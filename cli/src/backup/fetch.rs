//! Getting an archive: unpacked and verified while it is written, under its name only when it is whole.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use backup::{manifest::Manifest, store::Store, unpack::Unpacked};
use tempfile::NamedTempFile;
use tokio::time::Instant;

use super::{
    StageArguments, Which,
    progress::{Bar, rate},
    source,
};
use crate::stage::Stage;

#[derive(clap::Args)]
pub struct Fetch {
    #[command(flatten)]
    which: Which,
    /// Where to put it (`<id>.dump` here, unless said otherwise). What is there is never overwritten.
    #[arg(long)]
    output: Option<PathBuf>,
    #[command(flatten)]
    stage: StageArguments,
}

pub async fn fetch(Fetch { which, output, stage }: Fetch) -> anyhow::Result<ExitCode> {
    let store = source::store(&Stage::open(stage.stage).await?).await?;
    let manifest = store.find(which.id()).await?;
    let output = output.unwrap_or_else(|| format!("{}.dump", manifest.id).into());
    if output.symlink_metadata().is_ok() {
        bail!("{} is there already, and is not overwritten: name another file with --output", output.display());
    }
    let directory = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let began = Instant::now();
    let file = unpack(&store, &manifest, directory).await?;
    let problem =
        || format!("{} cannot be written: it is there already, or its directory is read-only", output.display());
    file.persist_noclobber(&output).with_context(problem)?;
    let plain = manifest.archive.plain_bytes;
    println!("{}: {}, verified ({}).", output.display(), source::size(plain), rate(plain, began.elapsed()));
    println!(
        "It restores with: pg_restore --no-owner --exit-on-error -j 4 -d <an empty database> {}",
        output.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// The plain archive in a temporary file of `directory`, for this user alone. Only a whole one is returned.
pub async fn unpack(store: &Store, manifest: &Manifest, directory: &Path) -> anyhow::Result<NamedTempFile> {
    let bar = Bar::new()?;
    let cannot_write = || {
        format!(
            "{} cannot be written to; is there space for {}?",
            directory.display(),
            source::size(manifest.archive.plain_bytes)
        )
    };
    let file = NamedTempFile::with_prefix_in(".solo-fetch-", directory).with_context(cannot_write)?;
    let mut archive = Unpacked::of(store.download(manifest), manifest);
    let (mut writer, mut bytes) = (BufWriter::new(file), 0);
    while let Some(chunk) = archive.next().await? {
        writer.write_all(&chunk).with_context(cannot_write)?;
        bytes += chunk.len() as u64;
        bar.at("fetch", bytes, manifest.archive.plain_bytes);
    }
    let file = writer.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(cannot_write)?;
    file.as_file().sync_all().with_context(cannot_write)?;
    Ok(file)
}

/// Whether a file that was fetched before is this backup's archive, by its size and its beginning.
pub fn check(path: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let bytes = file.metadata()?.len();
    if bytes != manifest.archive.plain_bytes {
        bail!(
            "{} has {bytes} bytes, and the archive of {} has {}: fetch it again with `solo backup fetch {}`",
            path.display(),
            manifest.id,
            manifest.archive.plain_bytes,
            manifest.id
        );
    }
    Ok(())
}
