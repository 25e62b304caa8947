//! What the database refuses, whoever asks with the login of the functions.

use crate::support::World;

/// SQLSTATE of what `role` gets for it; none when it is done.
async fn refused(world: &World, role: &str, sql: &str) -> Option<String> {
    let admin = world.kept.admin().await;
    admin.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
    admin.batch_execute(sql).await.err().and_then(|error| error.code().map(|code| code.code().to_owned()))
}

const FROM_THE_START: &str = "'-infinity', '00000000-0000-0000-0000-000000000000')";
/// Each function's name, and its ages at their floors.
const FUNCTIONS: &[(&str, &[i32])] = &[
    ("clear_payloads", &[7]),
    ("remove_executions", &[30]),
    ("remove_effects", &[7, 37]),
    ("remove_alerts", &[30]),
    ("remove_silences", &[30]),
    ("remove_job_runs", &[30, 1]),
    ("remove_errors", &[30]),
];

fn call(function: &str, ages: &[String], most: &str) -> String {
    format!("SELECT {function}({}, {most}, {FROM_THE_START}", ages.join(", "))
}

#[tokio::test]
async fn ages_below_the_floors_are_refused_whatever_is_asked() {
    let world = World::new().await;
    for (function, floors) in FUNCTIONS {
        let floors: Vec<String> = floors.iter().map(ToString::to_string).collect();
        assert_eq!(refused(&world, "solo_app", &call(function, &floors, "100")).await, None, "{function}");
        for place in 0..floors.len() {
            let below = floors[place].parse::<i32>().unwrap() - 1;
            for wrong in [below.to_string(), "-1000".into(), "NULL".into(), "-2147483648".into()] {
                let mut ages = floors.clone();
                ages[place].clone_from(&wrong);
                let sql = call(function, &ages, "100");
                assert_eq!(refused(&world, "solo_app", &sql).await.as_deref(), Some("22023"), "{sql}");
            }
        }
        for most in ["0", "-1", "10001", "NULL"] {
            let sql = call(function, &floors, most);
            assert_eq!(refused(&world, "solo_app", &sql).await.as_deref(), Some("22023"), "{sql}");
        }
        let sql = call(function, &floors, "100");
        assert_eq!(refused(&world, "solo_reader", &sql).await.as_deref(), Some("42501"), "{sql}");
    }
}

/// The floors would be worth little if a row could be made old.
#[tokio::test]
async fn the_role_of_the_functions_cannot_make_an_event_or_an_effect_another_or_older() {
    let world = World::new().await;
    for column in ["payload", "received_at", "idempotency_key", "source", "event_type", "fingerprint", "id"] {
        let sql = format!("UPDATE executions SET {column} = {column}");
        assert_eq!(refused(&world, "solo_app", &sql).await.as_deref(), Some("42501"), "{sql}");
    }
    for column in ["effect", "created_at", "idempotency_key", "id", "execution_id"] {
        let sql = format!("UPDATE outbox SET {column} = {column}");
        assert_eq!(refused(&world, "solo_app", &sql).await.as_deref(), Some("42501"), "{sql}");
    }
    for column in ["id", "fingerprint", "kind", "culprit", "title", "first_seen", "first_release"] {
        let sql = format!("UPDATE errors SET {column} = {column}");
        assert_eq!(refused(&world, "solo_app", &sql).await.as_deref(), Some("42501"), "{sql}");
    }
    // All that it may change makes no young row go.
    let id = world.execution("dead", "6 days").await;
    world
        .kept
        .execute(&format!("UPDATE executions SET resolved_at = now() - interval '500 days' WHERE id = '{id}'"))
        .await;
    for (function, floor) in [("clear_payloads", "7"), ("remove_executions", "30")] {
        assert_eq!(refused(&world, "solo_app", &call(function, &[floor.into()], "100")).await, None);
    }
    assert_eq!(world.left(id).await, "payload");
}

#[tokio::test]
async fn nothing_is_deleted_but_through_the_functions() {
    let world = World::new().await;
    for table in [
        "executions",
        "attempts",
        "outbox",
        "alerts",
        "alert_deliveries",
        "alert_silences",
        "job_runs",
        "jobs",
        "errors",
    ] {
        for sql in [format!("DELETE FROM {table}"), format!("TRUNCATE {table} CASCADE")] {
            assert_eq!(refused(&world, "solo_app", &sql).await.as_deref(), Some("42501"), "{sql}");
        }
    }
}
