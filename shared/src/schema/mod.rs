//! The database's schema as a text: what it is after all migrations (`shared/schema.txt`), and how another one differs.
//!
//! The text has a line for each object, `kind name: definition`, made by one query of the catalog. `make schemas` renews it, a
//! test fails when it is not current, and `drift` compares it with the live database. The founder's own migrations are migrations
//! as well, so what they make is in it.
//!
//! Deliberately absent: the order of columns, comments, storage options of columns, extensions' versions, operators, casts and
//! text search configurations, publications, and roles, which belong to the server.

mod difference;

pub use difference::{Difference, compare};

use std::collections::BTreeMap;

use tokio_postgres::Client;

/// Of a database with every migration of this version and nothing else.
pub const EXPECTED: &str = include_str!("../../schema.txt");

const CATALOG: &str = include_str!("sql/catalog.sql");
/// Names and expressions are printed as these settings say.
const SETTINGS: &str = "
    SET LOCAL search_path = public;
    SET LOCAL timezone = 'UTC';
    SET LOCAL datestyle = 'ISO, MDY';
    SET LOCAL intervalstyle = 'postgres';
    SET LOCAL extra_float_digits = 1;
    SET LOCAL quote_all_identifiers = off;
    SET LOCAL bytea_output = 'hex'";
const SERVER: &str = "SELECT current_setting('server_version_num')::int / 10000";
const HEAD: &str = "# What a database is made of after all migrations: `kind name: definition`. Written by `make schemas`; do not edit.\n";
const MAJOR: &str = "# PostgreSQL ";

/// The objects of a database: kind and name to definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Of the server. Another one may print the same definition in another way.
    pub major: i32,
    pub objects: BTreeMap<Object, String>,
}

/// An object's kind and name: `column`, `orders.currency`. Sorted so that what others belong to comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    rank: usize,
    pub kind: String,
    pub name: String,
}

/// In the order of the text. A kind that is not here comes last.
const KINDS: [&str; 10] =
    ["extension", "schema", "enum", "domain", "table", "column", "constraint", "index", "sequence", "view"];

impl Object {
    pub fn new(kind: &str, name: &str) -> Self {
        let rank = KINDS.iter().position(|known| *known == kind).unwrap_or(KINDS.len());
        Self { rank, kind: kind.to_owned(), name: name.to_owned() }
    }
}

impl Catalog {
    /// Of the database that `client` is connected to. In an open transaction, whose settings it changes.
    pub async fn read(client: &Client) -> Result<Self, tokio_postgres::Error> {
        client.batch_execute(SETTINGS).await?;
        let major = client.query_one(SERVER, &[]).await?.try_get(0)?;
        let mut objects = BTreeMap::new();
        for row in client.query(CATALOG, &[]).await? {
            let (kind, name): (&str, &str) = (row.try_get("kind")?, row.try_get("name")?);
            let definition: Option<String> = row.try_get("definition")?;
            objects.insert(Object::new(kind, name), definition.unwrap_or_default());
        }
        Ok(Self { major, objects })
    }

    /// Of a text that [`Catalog::text`] made.
    pub fn parse(text: &str) -> Self {
        let mut catalog = Self::default();
        for line in text.lines() {
            if let Some(major) = line.strip_prefix(MAJOR) {
                catalog.major = major.trim().parse().unwrap_or_default();
            }
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            let (name, definition) = split_name(rest);
            catalog.objects.insert(Object::new(kind, name), definition.to_owned());
        }
        catalog
    }

    /// A line for each object, under a head that says what it is.
    pub fn text(&self) -> String {
        let lines =
            self.objects.iter().map(|(Object { kind, name, .. }, definition)| format!("{kind} {name}: {definition}\n"));
        format!("{HEAD}{MAJOR}{}\n\n", self.major) + &lines.collect::<String>()
    }
}

/// At the first `: ` that is not in a quoted name.
fn split_name(text: &str) -> (&str, &str) {
    let mut quoted = false;
    for (place, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            ':' if !quoted && text[place..].starts_with(": ") => return (&text[..place], &text[place + 2..]),
            _ => {}
        }
    }
    (text.strip_suffix(':').unwrap_or(text), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reads_back_as_what_it_was_made_of() {
        let mut catalog = Catalog { major: 18, objects: BTreeMap::new() };
        for (kind, name, definition) in [
            ("table", "notes", "owner ada"),
            ("column", r#"notes."a: b""#, "text default ': '::text"),
            ("column", "notes.empty", ""),
            ("function", "f(text, integer)", "returns void"),
            ("table", r#""o""dd""#, "owner ada"),
        ] {
            catalog.objects.insert(Object::new(kind, name), definition.to_owned());
        }
        assert_eq!(Catalog::parse(&catalog.text()), catalog);
    }

    #[test]
    fn what_is_expected_can_be_read() {
        let expected = Catalog::parse(EXPECTED);
        assert!(expected.major >= 18 && expected.objects.contains_key(&Object::new("table", "executions")));
        assert_eq!(expected.text(), EXPECTED);
    }
}
