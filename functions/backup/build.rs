//! Takes PostgreSQL's client programs into the binary, compressed, when `make programs` has put them into
//! `target/programs/<architecture>`. Without them it compiles as well, and takes them from `PG_PROGRAMS` when it runs.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// Small: it is done once, and every cold start of the function carries it.
const LEVEL: i32 = 19;

#[allow(clippy::disallowed_methods)]
fn main() -> Result<(), Box<dyn Error>> {
    let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let out = PathBuf::from(variable("OUT_DIR")?);
    let architecture = match variable("CARGO_CFG_TARGET_ARCH")?.as_str() {
        "aarch64" => "arm64".to_owned(),
        other => other.to_owned(),
    };
    let programs = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../target/programs").join(architecture);
    // Cargo compiles again each time when what it should watch is not there.
    fs::create_dir_all(&programs)?;
    println!("cargo:rerun-if-changed={}", programs.display());
    println!("cargo:rerun-if-changed=build.rs");

    let mut list = String::from("&[\n");
    for (number, name) in files(&programs)?.iter().enumerate() {
        let compressed = out.join(format!("{number}.zst"));
        fs::write(&compressed, zstd::encode_all(&*fs::read(programs.join(name))?, LEVEL)?)?;
        writeln!(list, "    ({name:?}, include_bytes!({:?})),", compressed.display().to_string())?;
    }
    list.push_str("]\n");
    fs::write(out.join("programs.rs"), list)?;
    Ok(())
}

/// `bin/pg_dump`, `bin/pg_restore` and the libraries that they need; nothing, unless both programs are there.
fn files(programs: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    if !["bin/pg_dump", "bin/pg_restore"].iter().all(|name| programs.join(name).is_file()) {
        return Ok(Vec::new());
    }
    let mut names = vec!["bin/pg_dump".to_owned(), "bin/pg_restore".to_owned()];
    if programs.join("lib").is_dir() {
        for entry in fs::read_dir(programs.join("lib"))? {
            let name = entry?.file_name().into_string().map_err(|_| "a library's name is not UTF-8")?;
            names.push(format!("lib/{name}"));
        }
    }
    names.sort();
    Ok(names)
}
