//! The module boundaries: arrows point one way (`docs/architecture.md`).

use std::{collections::BTreeSet, fs, path::Path};

/// What a crate of ours may depend on, of our own crates.
fn allowed(krate: &str) -> &'static [&'static str] {
    match krate {
        "shared" => &[],
        "app" | "testkit" => &["shared"],
        "solo" => &["app", "backup", "health", "migrate", "ops", "shared", "webhooks"],
        "bench" => &["backup", "shared", "testkit"],
        _function => &["app", "shared"],
    }
}

#[test]
fn arrows_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: &Path| toml::from_str::<toml::Table>(&fs::read_to_string(path).unwrap()).unwrap();
    let workspace = read(&root.join("Cargo.toml"));
    let ours: BTreeSet<String> = workspace["workspace"]["dependencies"]
        .as_table()
        .unwrap()
        .iter()
        .filter(|(_, value)| value.get("path").is_some())
        .map(|(name, _)| name.clone())
        .collect();
    assert!(ours.contains("shared") && ours.contains("webhooks"), "{ours:?}");

    let functions = fs::read_dir(root.join("functions")).unwrap().map(|entry| entry.unwrap().path());
    let crates = ["app", "shared", "cli", "testkit", "bench"].map(|name| root.join(name));
    let mut checked = 0;
    for dir in functions.chain(crates) {
        let manifest = read(&dir.join("Cargo.toml"));
        let name = manifest["package"]["name"].as_str().unwrap();
        for dependency in manifest["dependencies"].as_table().unwrap().keys().filter(|name| ours.contains(*name)) {
            assert!(allowed(name).contains(&dependency.as_str()), "{name} may not depend on {dependency}");
        }
        checked += 1;
    }
    assert!(checked >= 9, "only {checked} crates were found");
}

#[test]
fn shared_speaks_of_no_handler_and_no_screen() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("shared/src");
    let mut files = vec![shared];
    let mut read = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for word in ["payments", " println!", "owo_colors", "clap::"] {
                assert!(!text.contains(word), "{} says {word}", path.display());
            }
            read += 1;
        }
    }
    assert!(read > 20, "only {read} files were found");
}
