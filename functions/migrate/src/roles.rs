//! The roles: who owns the schema and who may use it.

use tokio_postgres::Client;

use crate::{MigrateError, step};

const OWNER: &str = "CREATE ROLE solo_owner NOLOGIN";
const APP: &str = "CREATE ROLE solo_app LOGIN";
const READER: &str = "CREATE ROLE solo_reader LOGIN";
const RESTORER: &str = "CREATE ROLE solo_restorer LOGIN CREATEDB";

/// The master user must be able to become the owner; the others may enter the schema, and nobody else.
const PRIVILEGES: &str = "
    GRANT solo_owner TO CURRENT_USER;
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT CREATE, USAGE ON SCHEMA public TO solo_owner;
    GRANT USAGE ON SCHEMA public TO solo_app, solo_reader";

/// A restored database goes into service.
const ADOPT: &str = include_str!("sql/adopt.sql");

/// What there is to read, to the reader.
const READABLE: &str = include_str!("sql/readable.sql");

/// The verifiers (SCRAM) of the logins; `None` leaves a role's password as it is.
pub(crate) struct Verifiers {
    pub(crate) app: Option<String>,
    pub(crate) reader: Option<String>,
    pub(crate) restorer: Option<String>,
}

/// Makes the roles that are missing, sets the passwords that are given, and grants.
pub(crate) async fn ensure(client: &Client, verifiers: &Verifiers) -> Result<(), MigrateError> {
    for create in [OWNER, APP, READER, RESTORER] {
        // Roles belong to the server, the lock to one database: another one's migration may win this race.
        let unless_there =
            format!("DO $$ BEGIN {create}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$");
        step(client, "creating the roles", &unless_there).await?;
    }
    let Verifiers { app, reader, restorer } = verifiers;
    for (role, verifier) in [("solo_app", app), ("solo_reader", reader), ("solo_restorer", restorer)] {
        if let Some(verifier) = verifier {
            // A verifier is base64 with `$`, `:` and `-`: nothing in it needs quoting.
            step(client, "setting a role's password", &format!("ALTER ROLE {role} PASSWORD '{verifier}'")).await?;
        }
    }
    step(client, "taking over what was restored", ADOPT).await?;
    step(client, "granting the roles", PRIVILEGES).await
}

/// As the owner, after the migrations: a backup is read by the reader, so it has to see everything that there is.
pub(crate) async fn let_the_reader_read(client: &Client) -> Result<(), MigrateError> {
    step(client, "granting the reader what there is", READABLE).await
}
