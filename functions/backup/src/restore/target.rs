//! The database that is restored into: is it empty, making a new one, getting rid of it.

use jiff::{SignedDuration, Timestamp};
use shared::db::{Credentials, DatabaseUrl, connect_for_maintenance};
use tokio_postgres::Client;

use super::{RestoreError, database};

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
        let client = check_name(maintenance, name).await?;
        // template1 may have got something.
        let create = format!("CREATE DATABASE {} TEMPLATE template0", quote(name));
        client
            .batch_execute(&create)
            .await
            .map_err(|source| database(&format!("making the database {name}"), &source))?;
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
        client.batch_execute(&rename).await.map_err(|source| database(&format!("naming the database {name}"), &source))
    }

    /// With whoever is connected to it.
    pub async fn drop_it(self) -> Result<(), RestoreError> {
        drop_database(&self.maintenance, &self.name).await
    }
}

/// Nothing happens when it is not there.
pub async fn drop_database(maintenance: &DatabaseUrl, name: &str) -> Result<(), RestoreError> {
    let client = connect_for_maintenance(maintenance.clone(), Credentials::Url).await?;
    let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote(name));
    client.batch_execute(&drop).await.map_err(|source| database(&format!("dropping the database {name}"), &source))
}

/// Drops what drills left behind that were killed: scratch databases of this role, begun longer ago than any drill takes.
pub(crate) async fn drop_left_behind(maintenance: &DatabaseUrl, now: Timestamp) -> Result<Vec<String>, RestoreError> {
    const LONGEST: SignedDuration = SignedDuration::from_mins(20);
    const OURS: &str = "SELECT datname::text FROM pg_database
                         WHERE datdba = current_user::regrole AND starts_with(datname, $1) ORDER BY 1";
    let client = connect_for_maintenance(maintenance.clone(), Credentials::Url).await?;
    let rows = client.query(OURS, &[&SCRATCH]).await.map_err(|source| database("looking for old drills", &source))?;
    let latest = Scratch::name_at(now - LONGEST, 0);
    let mut dropped = Vec::new();
    for name in rows.iter().map(|row| row.get::<_, String>(0)).filter(|name| *name < latest) {
        drop_database(maintenance, &name).await?;
        dropped.push(name);
    }
    Ok(dropped)
}

/// What the template's parameter `DatabaseName` takes, but for the names of scratch databases.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=63).contains(&name.len()) && name.as_bytes()[0].is_ascii_lowercase() && name.bytes().all(plain)
}

/// Whether a database of that name can be made on the server. The connection that found out.
pub async fn check_name(maintenance: &DatabaseUrl, name: &str) -> Result<Client, RestoreError> {
    if !is_name(name) {
        return Err(RestoreError::BadName(name.to_owned()));
    }
    let client = connect_for_maintenance(maintenance.clone(), Credentials::Url).await?;
    let there = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await;
    match there.map_err(|source| database("looking for the database", &source))? {
        Some(_) => Err(RestoreError::Exists(name.to_owned())),
        None => Ok(client),
    }
}

/// A restore adds to what is there, and fails at the first thing of the same name, when half of it is done.
pub async fn check_empty(client: &Client, name: &str) -> Result<(), RestoreError> {
    let row = client.query_one(CONTENTS, &[]).await.map_err(|source| database("looking into the database", &source))?;
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
    let row = client.query_one(SUPER, &[]).await.map_err(|source| database("asking for the role", &source))?;
    Ok(row.get(0))
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
        assert!(is_name(&Scratch::name_at(at, u32::MAX)));
    }
}
