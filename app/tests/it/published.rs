//! What `docs/events` says is what the code does.

use std::{collections::BTreeMap, fs, path::PathBuf};

use shared::events::{FIRST_PARTY, index};

pub fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/events")
}

#[test]
fn the_published_schemas_are_current() {
    let mut expected = BTreeMap::new();
    for event_type in app::handlers().event_types() {
        expected.extend(event_type.versions.iter().map(|version| event_type.document(version).unwrap()));
    }
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(docs()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "json") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read_to_string(path).unwrap());
        }
    }
    assert!(!expected.is_empty());
    assert_eq!(found, expected, "run `make schemas`");
    let readme = fs::read_to_string(docs().join("README.md")).unwrap();
    assert!(readme.contains(&index(&app::handlers().event_types())), "run `make schemas`");
}

/// A type that anyone may send without a published form would be a contract that nobody can read.
#[test]
fn every_first_party_type_has_a_published_form() {
    let handlers = app::handlers();
    let published: Vec<_> =
        handlers.event_types().into_iter().filter(|known| !known.versions.is_empty()).map(|known| known.name).collect();
    let taken: Vec<_> =
        handlers.routes().into_iter().filter(|(source, _)| *source == FIRST_PARTY).map(|(_, name)| name).collect();
    assert_eq!(published, taken);
}

#[test]
fn versions_go_in_order_and_promise_time_to_move() {
    for event_type in app::handlers().event_types() {
        let newest = event_type.newest().unwrap().number;
        for version in &event_type.versions {
            let deprecation = version.deprecation;
            assert!(deprecation.is_none() || version.number < newest, "{}: the newest is deprecated", event_type.name);
            assert!(deprecation.is_none_or(|it| it.since < it.until), "{} v{}", event_type.name, version.number);
        }
    }
}
