//! What the local stack needs.

use std::path::Path;

use shared::{config::Env, db::DatabaseUrl};

use super::{Check, flags, solo_toml, tool};
use crate::project::Project;

pub fn checks(project: &Project) -> Vec<Check> {
    vec![
        tool("cargo", "cargo", &["--version"], "install Rust with rustup"),
        tool(
            "a C compiler",
            "cc",
            &["--version"],
            "install one (Debian: apt-get install gcc; macOS: xcode-select --install)",
        ),
        tool(
            "Python tools",
            &project.python().to_string_lossy(),
            &["-c", "import moto, flask; print('moto', moto.__version__)"],
            "run `make setup`",
        ),
        tool("cargo-lambda", &project.cargo_lambda().to_string_lossy(), &["lambda", "--version"], "run `make setup`"),
        postgres(project),
        solo_toml(project),
        flags(project),
        database_url(),
        writable(&project.dev_dir()),
    ]
}

fn postgres(project: &Project) -> Check {
    match project.postgres_dir() {
        Ok(dir) => {
            tool("PostgreSQL", &dir.join("bin/postgres").to_string_lossy(), &["--version"], "run `make setup` again")
        }
        Err(error) => Check { what: "PostgreSQL".into(), result: Err(error.to_string()) },
    }
}

fn database_url() -> Check {
    let result = match Env::of_process().optional("DATABASE_URL") {
        None => Ok("not set: the embedded server is used".into()),
        Some(text) => DatabaseUrl::parse(&text).map(|url| url.to_string()).map_err(|fault| format!("it {fault}")),
    };
    Check { what: "DATABASE_URL".into(), result }
}

fn writable(dir: &Path) -> Check {
    let probe = dir.join("probe");
    let result = std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&probe, ""))
        .and_then(|()| std::fs::remove_file(&probe))
        .map(|()| "can be written".into())
        .map_err(|error| format!("{} cannot be written ({error}): check its owner", dir.display()));
    Check { what: ".dev".into(), result }
}
