//! Alerts that stand for something in the database: when the last of it is gone, so is the alert.

use shared::{
    alerts,
    db::{DbError, Session},
};

/// Whoever raises one of these holds its row until its own transaction ends. So with the rows locked, the next statement
/// sees what made it raise.
const LOCK: &str = "SELECT key FROM alerts WHERE key = ANY($1) AND resolved_at IS NULL ORDER BY key FOR UPDATE";

/// The pairs of source and type without an unresolved dead letter.
const NO_DEAD_LETTERS: &str = "
    SELECT left('dead_letter:' || source || ':' || event_type, 200) AS key
      FROM unnest($1::text[], $2::text[]) AS given (source, event_type)
     WHERE NOT EXISTS (SELECT FROM executions e
                        WHERE e.status = 'dead' AND e.resolved_at IS NULL
                          AND e.source = given.source AND e.event_type = given.event_type)";

const NO_DEAD_EFFECTS: &str = "
    SELECT left(prefix || destination, 200) AS key
      FROM unnest($1::text[]) AS given (destination), unnest('{outbox_dead:,channel_dead:}'::text[]) AS prefix
     WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.status = 'dead' AND o.destination = given.destination)";

/// Ends the alerts about dead letters of these sources and types of which none is left. Their keys.
pub(crate) async fn dead_letters_gone(
    session: &mut Session<'_>,
    mut kinds: Vec<(String, String)>,
) -> Result<Vec<String>, DbError> {
    kinds.sort_unstable();
    kinds.dedup();
    let keys: Vec<String> = kinds.iter().map(|(source, kind)| key(&format!("dead_letter:{source}:{kind}"))).collect();
    let open = lock(session, &keys).await?;
    let (sources, types): (Vec<String>, Vec<String>) = kinds.into_iter().unzip();
    let rows = if open.is_empty() { Vec::new() } else { session.query(NO_DEAD_LETTERS, &[&sources, &types]).await? };
    resolve(session, &open, &rows).await
}

/// Ends the alerts about dead effects for these destinations of which none is left. Their keys.
pub(crate) async fn dead_effects_gone(
    session: &mut Session<'_>,
    mut destinations: Vec<String>,
) -> Result<Vec<String>, DbError> {
    destinations.sort_unstable();
    destinations.dedup();
    let keys: Vec<String> = destinations
        .iter()
        .flat_map(|destination| ["channel_dead", "outbox_dead"].map(|what| key(&format!("{what}:{destination}"))))
        .collect();
    let open = lock(session, &keys).await?;
    let rows = if open.is_empty() { Vec::new() } else { session.query(NO_DEAD_EFFECTS, &[&destinations]).await? };
    resolve(session, &open, &rows).await
}

/// As `raise_alert` stores it.
fn key(text: &str) -> String {
    text.chars().take(200).collect()
}

async fn lock(session: &mut Session<'_>, keys: &[String]) -> Result<Vec<String>, DbError> {
    let rows = session.query(LOCK, &[&keys]).await?;
    rows.iter().map(|row| Ok(row.try_get("key")?)).collect()
}

async fn resolve(
    session: &mut Session<'_>,
    open: &[String],
    over: &[tokio_postgres::Row],
) -> Result<Vec<String>, DbError> {
    let mut resolved = Vec::new();
    for row in over {
        let key: String = row.try_get("key")?;
        if open.contains(&key) && alerts::resolve(session, &key).await? {
            resolved.push(key);
        }
    }
    resolved.sort_unstable();
    Ok(resolved)
}
