//! Lists `migrations/*.sql` for `src/migrations.rs`, so that adding a migration is adding a file.

use std::{env, fmt::Write as _, fs, path::Path};

#[allow(clippy::disallowed_methods)]
fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let dir = Path::new(&root).join("migrations");
    println!("cargo::rerun-if-changed={}", dir.display());

    let mut names: Vec<String> = fs::read_dir(&dir)
        .expect("shared/migrations can be read")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".sql").map(str::to_owned))
        .collect();
    names.sort();

    let mut list = String::from("&[\n");
    for name in &names {
        let (number, words) = name.split_once('_').unwrap_or_default();
        let version: i32 = number
            .parse()
            .ok()
            .filter(|_| number.len() == 4 && !words.is_empty())
            .unwrap_or_else(|| panic!("shared/migrations/{name}.sql is not named NNNN_verb_noun.sql"));
        let path = dir.join(format!("{name}.sql"));
        writeln!(
            list,
            "    Migration {{ version: {version}, name: {words:?}, sql: include_str!({:?}) }},",
            path.display().to_string()
        )
        .expect("a String takes every write");
    }
    list.push_str("]\n");
    fs::write(Path::new(&out).join("migrations.rs"), list).expect("OUT_DIR can be written");
}
