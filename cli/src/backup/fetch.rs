//! Getting an archive: unpacked and verified while it is written, under its name only when it is whole.

use std::{
    fs::File,
    io::{BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use aws_lc_rs::digest;
use backup::{manifest::Manifest, store::Store, unpack::Unpacked};
use tempfile::NamedTempFile;
use tokio::time::Instant;

use super::{
    StageArguments, Which,
    progress::{Bar, rate},
    source,
};
use crate::{stage::Stage, ui};

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
    anstream::println!("{}: {}, verified ({}).", output.display(), source::size(plain), rate(plain, began.elapsed()));
    anstream::println!(
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

/// Whether a file that was fetched before is this backup's archive, by its size and its SHA-256.
pub fn check(path: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let mut file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
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
    let Some(expected) = &manifest.archive.plain_sha256 else {
        ui::note(&format!(
            "the manifest of {} has no SHA-256 of the unpacked archive: only the size of {} was checked",
            manifest.id,
            path.display()
        ));
        return Ok(());
    };
    let (mut sum, mut chunk) = (digest::Context::new(&digest::SHA256), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut chunk).with_context(|| format!("{} cannot be read", path.display()))?;
        if read == 0 {
            break;
        }
        sum.update(&chunk[..read]);
    }
    if hex::encode(sum.finish()) != *expected {
        bail!(
            "{} has the size of the archive of {}, and other contents: fetch it again with `solo backup fetch {}`",
            path.display(),
            manifest.id,
            manifest.id
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(plain_sha256: Option<&str>) -> Manifest {
        serde_json::from_value(json!({
            "version": 1, "id": "20261122T013000Z-1a2b3c4d", "database": "solo", "started_at": "2026-11-22T01:30:00Z",
            "finished_at": "2026-11-22T01:30:01Z", "server_version": "18", "pg_dump_version": "18", "schema_version": null,
            "release": null, "made_by": "pg_dump",
            "archive": {"key": "k", "bytes": 1, "sha256": "", "plain_bytes": 3, "plain_sha256": plain_sha256},
            "inventory": {"tables": {}, "sequences": {}, "large_objects": {"count": 0, "checksum": "0"}},
        }))
        .unwrap()
    }

    #[test]
    fn a_file_of_the_right_size_with_other_contents_is_refused() {
        const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(b"abc").unwrap();
        check(file.path(), &manifest(Some(ABC))).unwrap();
        check(file.path(), &manifest(None)).unwrap();
        std::fs::write(file.path(), b"abd").unwrap();
        let error = check(file.path(), &manifest(Some(ABC))).unwrap_err().to_string();
        assert!(error.contains("other contents"), "{error}");
        std::fs::write(file.path(), b"abcd").unwrap();
        assert!(check(file.path(), &manifest(Some(ABC))).unwrap_err().to_string().contains("has 4 bytes"));
    }
}
