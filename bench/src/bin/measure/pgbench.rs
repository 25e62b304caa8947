//! pgbench with the statements of one event, in the same number of round trips.

use std::{path::PathBuf, process::Command, time::Duration};

use secrecy::ExposeSecret as _;
use testkit::{TestDatabase, variable};

use crate::events::invoice;

const CLAIM: &str = include_str!("../../../../shared/src/executions/sql/claim.sql");
const FINISH: &str = include_str!("../../../../shared/src/executions/sql/finish.sql");

/// Transactions a second.
pub fn run(database: &TestDatabase, clients: usize, time: Duration) -> f64 {
    let file = std::env::temp_dir().join(format!("solo-bench-{}.sql", std::process::id()));
    std::fs::write(&file, script()).unwrap();
    let url = database.app_url();
    let output = Command::new(PathBuf::from(variable("SOLO_TEST_POSTGRES_BIN")).join("pgbench"))
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .arg(format!("--client={clients}"))
        .arg(format!("--time={}", time.as_secs()))
        .arg(format!("--file={}", file.display()))
        .args(variables().map(|(name, value)| format!("--define={name}={value}")))
        .args(["-h", &url.host, "-p", &url.port.to_string(), "-U", "solo_app", &url.database])
        .env("PGPASSWORD", url.password.as_ref().unwrap().expose_secret())
        .output()
        .unwrap();
    std::fs::remove_file(file).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find(|line| line.starts_with("tps = ")).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().nth(2).unwrap().parse().unwrap()
}

/// What stands behind the script's variables: parameters of the prepared statements, as they are for us.
fn variables() -> [(&'static str, String); 6] {
    let metadata = r#"{"stripe_invoice": "in_1", "stripe_customer": "cus_NffrFeUfNV2Hib", "lines": 1}"#;
    [
        ("source", "pgbench".into()),
        ("type", "invoice.paid".into()),
        ("handler", "record_payment".into()),
        ("payload", invoice("bench").to_string()),
        ("correlation", "01a2011f-c75c-74ec-9778-7d8364d0429d".into()),
        ("metadata", metadata.into()),
    ]
}

fn script() -> String {
    let mut claim = without_comments(CLAIM);
    for (place, value) in [
        ("$13", "true"),
        ("$12", "3::smallint"),
        ("$11", "35000::double precision"),
        ("$10", "now()"),
        ("$9", ":correlation"),
        ("$8", "sha256('x')"),
        ("$7", ":payload::jsonb"),
        ("$6", ":handler"),
        ("$5", "1::smallint"),
        ("$4", ":type"),
        ("$3", "'evt_' || :n::text"),
        ("$2", ":source"),
        ("$1", "gen_random_uuid()"),
    ] {
        claim = claim.replace(place, value);
    }
    let finish = without_comments(FINISH).replace("$1", ":id").replace("$2", ":fence");
    format!(
        "\\set n random(1, 1000000000000000000)\n\
         {claim}\n\\gset\n\
         BEGIN;\n\
         INSERT INTO payments (invoice_id, customer_id, amount_cents, currency, paid_at, metadata, execution_id)\n\
         VALUES (gen_random_uuid(), gen_random_uuid(), 4200, 'USD', now(), :metadata::jsonb, :id)\n\
         ON CONFLICT (invoice_id) DO NOTHING;\n\
         \\startpipeline\n{finish};\nCOMMIT;\n\\endpipeline\n"
    )
}

fn without_comments(sql: &str) -> String {
    sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n")
}
