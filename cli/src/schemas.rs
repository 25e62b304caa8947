//! `solo schemas`: renews what is made of the code and kept beside it: what `docs/events` publishes of the first-party event
//! types, and what the migrations make (`shared/schema.txt`).

use std::{collections::BTreeSet, fs, path::Path, process::ExitCode};

use anyhow::{Context as _, bail};
use shared::{
    db::{Credentials, DatabaseUrl, connect_for_maintenance},
    events::index,
    schema::Catalog,
};

use crate::{
    project::Project,
    stack::{self, DatabasePlan, Durability, Keys, RunDirectory},
};

/// What stands around the generated table in the index.
const TABLE: [&str; 2] = ["<!-- table: written by `make schemas` -->\n", "<!-- end of table -->"];

pub async fn run() -> anyhow::Result<ExitCode> {
    let project = Project::find()?;
    write_events(&project.root.join("docs/events"))?;
    write_database(&project).await?;
    Ok(ExitCode::SUCCESS)
}

/// Of a database that is made for this and thrown away.
async fn write_database(project: &Project) -> anyhow::Result<()> {
    let directory = RunDirectory::temporary(project)?;
    let name = format!("solo_schemas_{}", uuid::Uuid::new_v4().simple());
    let plan =
        DatabasePlan { data: directory.path.join("postgres"), durability: Durability::None, name: Some(name.clone()) };
    let keys = Keys::random(&project.solo_toml()?)?;
    let (postgres, database) = stack::start_database(project, directory.path.join("postgres.log"), &keys, plan).await?;
    let catalog = read(&database).await;
    if postgres.is_none() {
        // Someone else's server is left as it was.
        stack::drop_databases(&database.with_database("postgres"), &name).await?;
    }
    write_if_changed(&project.root.join("shared"), "shared", "schema.txt", &catalog?.text())
}

async fn read(database: &DatabaseUrl) -> anyhow::Result<Catalog> {
    let client = connect_for_maintenance(database.clone(), Credentials::Url).await?;
    client.batch_execute("BEGIN READ ONLY").await?;
    let catalog = Catalog::read(&client).await.context("the catalog cannot be read")?;
    client.batch_execute("ROLLBACK").await?;
    Ok(catalog)
}

fn write_events(dir: &Path) -> anyhow::Result<()> {
    let types = app::handlers().event_types();
    let mut current = BTreeSet::new();
    for event_type in &types {
        for version in &event_type.versions {
            let (name, text) = event_type.document(version)?;
            write_if_changed(dir, "docs/events", &name, &text)?;
            current.insert(name);
        }
    }
    for entry in fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|kind| kind == "json") && !current.contains(&name) {
            fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
            anstream::println!("removed docs/events/{name}");
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
    write_if_changed(dir, "docs/events", "README.md", &format!("{before}{start}{}{end}{after}", index(&types)))
}

/// `shown` is what the directory is called from the project's root.
fn write_if_changed(dir: &Path, shown: &str, name: &str, text: &str) -> anyhow::Result<()> {
    let path = dir.join(name);
    if fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    anstream::println!("wrote {shown}/{name}");
    Ok(())
}
