//! The roles: who owns the schema and who may use it.

use tokio_postgres::Client;

use crate::{MigrateError, step};

const OWNER: &str = "CREATE ROLE solo_owner NOLOGIN";
const APP: &str = "CREATE ROLE solo_app LOGIN";
const READER: &str = "CREATE ROLE solo_reader LOGIN";

/// The master user must be able to become the owner; the others may enter the schema, and nobody else.
const PRIVILEGES: &str = "
    GRANT solo_owner TO CURRENT_USER;
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT CREATE, USAGE ON SCHEMA public TO solo_owner;
    GRANT USAGE ON SCHEMA public TO solo_app, solo_reader";

/// Makes the roles that are missing, sets the passwords that are given (as SCRAM verifiers), and grants.
pub(crate) async fn ensure(client: &Client, app: Option<&str>, reader: Option<&str>) -> Result<(), MigrateError> {
    for create in [OWNER, APP, READER] {
        // Roles belong to the server, the lock to one database: another one's migration may win this race.
        let unless_there =
            format!("DO $$ BEGIN {create}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$");
        step(client, "creating the roles", &unless_there).await?;
    }
    for (role, verifier) in [("solo_app", app), ("solo_reader", reader)] {
        if let Some(verifier) = verifier {
            // A verifier is base64 with `$`, `:` and `-`: nothing in it needs quoting.
            step(client, "setting a role's password", &format!("ALTER ROLE {role} PASSWORD '{verifier}'")).await?;
        }
    }
    step(client, "granting the roles", PRIVILEGES).await
}
