//! `solo schemas`: renews what `docs/events` publishes of the first-party event types.

use std::{collections::BTreeSet, fs, path::Path, process::ExitCode};

use anyhow::{Context as _, bail};
use shared::events::index;

use crate::project::Project;

/// What stands around the generated table in the index.
const TABLE: [&str; 2] = ["<!-- table: written by `make schemas` -->\n", "<!-- end of table -->"];

pub fn run() -> anyhow::Result<ExitCode> {
    let dir = Project::find()?.root.join("docs/events");
    let types = app::handlers().event_types();
    let mut current = BTreeSet::new();
    for event_type in &types {
        for version in &event_type.versions {
            let (name, text) = event_type.document(version)?;
            write_if_changed(&dir.join(&name), &text)?;
            current.insert(name);
        }
    }
    for entry in fs::read_dir(&dir).with_context(|| format!("{} cannot be read", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|kind| kind == "json") && !current.contains(&name) {
            fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
            println!("removed docs/events/{name}");
        }
    }
    let readme = dir.join("README.md");
    let text = fs::read_to_string(&readme).with_context(|| format!("{} cannot be read", readme.display()))?;
    let [start, end] = TABLE;
    let Some((before, (_, after))) =
        text.split_once(start).and_then(|(before, rest)| Some((before, rest.split_once(end)?)))
    else {
        bail!("{} has no lines {start:?} and {end:?} to write the table between", readme.display())
    };
    write_if_changed(&readme, &format!("{before}{start}{}{end}{after}", index(&types)))?;
    Ok(ExitCode::SUCCESS)
}

fn write_if_changed(path: &Path, text: &str) -> anyhow::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    println!("wrote docs/events/{}", path.file_name().unwrap_or_default().to_string_lossy());
    Ok(())
}
