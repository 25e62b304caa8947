//! The database that is restored into: is it empty, making a new one, getting rid of it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use shared::db::{Credentials, DatabaseUrl, connect_for_maintenance};
use tokio_postgres::{Client, error::SqlState};

use super::{RestoreError, database_error};

/// Names of what is in a database beside what every database has.
const CONTENTS: &str = include_str!("../sql/contents.sql");

const SCRATCH: &str = "solo_drill_";

/// A database of our own that nobody uses yet: kept when all is well, and dropped otherwise.
pub struct Scratch {
    /// The same server, another database.
    maintenance: DatabaseUrl,
    name: String,
}

impl Scratch {
    /// A new and empty one. `maintenance` leads to any database of the server, with the login of a role that may make one.
    pub async fn create(maintenance: &DatabaseUrl, name: &str) -> Result<Self, RestoreError> {
        let client = check_free(maintenance, name).await?;
        // template1 may have got something.
        let create = format!("CREATE DATABASE {} TEMPLATE template0", quote(name));
        client
            .batch_execute(&create)
            .await
            .map_err(|source| database_error(&format!("making the database {name}"), &source))?;
        Ok(Self { maintenance: maintenance.clone(), name: name.to_owned() })
    }

    /// For a drill that begins now. The name says when, for whoever finds it left behind.
    pub fn name_at(now: Timestamp, unique: u32) -> String {
        format!("{SCRATCH}{}_{unique:08x}", now.strftime("%Y%m%dt%H%M%Sz"))
    }

    pub fn url(&self) -> DatabaseUrl {
        self.maintenance.with_database(&self.name)
    }

    /// Gives it a name to stay under. Nobody may be connected to it.
    pub async fn keep_as(&self, name: &str) -> Result<(), RestoreError> {
        let client = connect_for_maintenance(self.maintenance.clone(), Credentials::Url).await?;
        let rename = format!("ALTER DATABASE {} RENAME TO {}", quote(&self.name), quote(name));
        client
            .batch_execute(&rename)
            .await
            .map_err(|source| database_error(&format!("naming the database {name}"), &source))
    }

    /// With whoever is connected to it.
    pub async fn drop_it(self) -> Result<(), RestoreError> {
        drop_database(&self.maintenance, &self.name).await
    }
}

/// Nothing happens when it is not there.
///
/// Who is connected is thrown out. That may be autovacuum, which belongs to a superuser: nobody else may throw it out by force, but a
/// plain DROP asks it to go, and waits 5 s for it.
pub async fn drop_database(maintenance: &DatabaseUrl, name: &str) -> Result<(), RestoreError> {
    let client = connect_for_maintenance(maintenance.clone(), Credentials::Url).await?;
    let plain = format!("DROP DATABASE IF EXISTS {}", quote(name));
    let mut dropped = client.batch_execute(&format!("{plain} WITH (FORCE)")).await;
    if dropped.as_ref().is_err_and(|error| error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)) {
        dropped = client.batch_execute(&plain).await;
    }
    dropped.map_err(|source| database_error(&format!("dropping the database {name}"), &source))
}

/// Drops what drills left behind that were killed: scratch databases of this role that are older than the drill of `now`.
/// Drills run one at a time, so nobody is at work in them.
pub(crate) async fn drop_left_behind(maintenance: &DatabaseUrl, now: Timestamp) -> Result<Vec<String>, RestoreError> {
    const OURS: &str = "SELECT datname::text FROM pg_database
                         WHERE datdba = (SELECT oid FROM pg_roles WHERE rolname = current_user)
                           AND starts_with(datname, $1) ORDER BY 1";
    let client = connect_for_maintenance(maintenance.clone(), Credentials::Url).await?;
    let rows =
        client.query(OURS, &[&SCRATCH]).await.map_err(|source| database_error("looking for old drills", &source))?;
    let own = Scratch::name_at(now, 0);
    let mut dropped = Vec::new();
    for name in rows.iter().map(|row| row.get::<_, String>(0)).filter(|name| is_scratch(name) && *name < own) {
        drop_database(maintenance, &name).await?;
        dropped.push(name);
    }
    Ok(dropped)
}

/// `solo_drill_20261122t070000z_000000ff`, and nothing that only begins like it.
fn is_scratch(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(SCRATCH) else { return false };
    rest.len() == 25
        && rest.bytes().enumerate().all(|(place, byte)| match place {
            8 => byte == b't',
            15 => byte == b'z',
            16 => byte == b'_',
            17.. => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            _ => byte.is_ascii_digit(),
        })
}

/// What the template's parameter `DatabaseName` takes, but for what begins like a scratch database: a drill may drop those.
pub fn is_name(name: &str) -> bool {
    is_plain(name) && !name.starts_with(SCRATCH)
}

fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=63).contains(&name.len()) && name.as_bytes()[0].is_ascii_lowercase() && name.bytes().all(plain)
}

/// Whether a database of that name can be made on the server. The connection that found out.
pub async fn check_name(maintenance: &DatabaseUrl, name: &str) -> Result<Client, RestoreError> {
    if !is_name(name) {
        return Err(RestoreError::BadName(name.to_owned()));
    }
    check_free(maintenance, name).await
}

async fn check_free(maintenance: &DatabaseUrl, name: &str) -> Result<Client, RestoreError> {
    if !is_plain(name) {
        return Err(RestoreError::BadName(name.to_owned()));
    }
    let client = connect_for_maintenance(maintenance.clone(), Credentials::Url).await?;
    let there = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await;
    match there.map_err(|source| database_error("looking for the database", &source))? {
        Some(_) => Err(RestoreError::Exists(name.to_owned())),
        None => Ok(client),
    }
}

/// A restore adds to what is there, and fails at the first thing of the same name, when half of it is done.
pub async fn check_empty(client: &Client, name: &str) -> Result<(), RestoreError> {
    let row =
        client.query_one(CONTENTS, &[]).await.map_err(|source| database_error("looking into the database", &source))?;
    match (row.get::<_, i64>(0), row.get::<_, Option<String>>(1)) {
        (0, _) => Ok(()),
        (count, some) => {
            let found = format!("{count} objects ({})", some.unwrap_or_default());
            Err(RestoreError::NotEmpty { name: name.to_owned(), found })
        }
    }
}

pub(super) async fn is_superuser(client: &Client) -> Result<bool, RestoreError> {
    const SUPER: &str = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
    let row = client.query_one(SUPER, &[]).await.map_err(|source| database_error("asking for the role", &source))?;
    Ok(row.get(0))
}

/// Extensions of this server that only a superuser may make.
pub(super) async fn untrusted_extensions(client: &Client) -> Result<BTreeSet<String>, RestoreError> {
    const UNTRUSTED: &str = "SELECT e.name::text FROM pg_available_extensions AS e
                               JOIN pg_available_extension_versions AS v
                                 ON v.name = e.name AND v.version = e.default_version
                              WHERE v.superuser AND NOT v.trusted";
    let rows = client.query(UNTRUSTED, &[]).await.map_err(|source| database_error("asking for extensions", &source))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_a_deployment_takes() {
        for name in ["solo", "solo_2026", "a"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "Solo", "2solo", "_solo", "so-lo", "so lo", "solo\"; --", &"a".repeat(64)] {
            assert!(!is_name(name), "{name}");
        }
        let at = "2026-11-22T07:00:00Z".parse().unwrap();
        assert_eq!(Scratch::name_at(at, 255), "solo_drill_20261122t070000z_000000ff");
        assert!(is_plain(&Scratch::name_at(at, u32::MAX)) && !is_name(&Scratch::name_at(at, u32::MAX)));
        assert!(!is_name("solo_drill_mine") && is_name("solo_drills"));
    }

    #[test]
    fn only_what_a_drill_has_made_is_taken_for_left_behind() {
        assert!(is_scratch(&Scratch::name_at("2026-11-22T07:00:00Z".parse().unwrap(), u32::MAX)));
        for name in [
            "solo_drill_",
            "solo_drill_mine",
            "solo_drill_20261122t070000z_000000fg",
            "solo_drill_20261122t070000z_000000ff0",
            "solo_drill_20261122t070000z-000000ff",
            "my_drill_20261122t070000z_000000ff",
        ] {
            assert!(!is_scratch(name), "{name}");
        }
    }
}
