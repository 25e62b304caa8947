//! What the demo shows and checks.

use owo_colors::OwoColorize as _;
use tokio_postgres::Client;

use super::scenario::Played;
use crate::ui;

pub struct Payment {
    invoice: String,
    amount: i64,
    currency: String,
    paid_at: String,
    heard_from: String,
}

pub async fn payments(database: &Client) -> anyhow::Result<Vec<Payment>> {
    const PAYMENTS: &str = "
        SELECT invoice_id::text, amount_cents, currency, to_char(paid_at, 'YYYY-MM-DD HH24:MI:SS') || 'Z', source
          FROM payments JOIN executions ON executions.id = execution_id ORDER BY recorded_at";
    let rows = database.query(PAYMENTS, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Payment {
                invoice: row.try_get(0)?,
                amount: row.try_get(1)?,
                currency: row.try_get(2)?,
                paid_at: row.try_get(3)?,
                heard_from: row.try_get(4)?,
            })
        })
        .collect()
}

pub fn table_of_events(results: &[Played]) -> String {
    let rows = results.iter().enumerate().map(|(index, played)| {
        let mark = if played.is_as_expected() { "✓" } else { "✗" };
        vec![
            (index + 1).to_string(),
            played.case.what.to_owned(),
            format!("{} {}", played.status, played.word),
            played.state.clone(),
            mark.to_owned(),
        ]
    });
    ui::table(&["", "sent", "answer", "in the database", ""], rows.collect())
}

pub fn table_of_payments(payments: &[Payment]) -> String {
    let rows = payments.iter().map(|payment| {
        vec![
            payment.invoice.clone(),
            format!("{}.{:02} {}", payment.amount / 100, payment.amount % 100, payment.currency),
            payment.paid_at.clone(),
            payment.heard_from.clone(),
        ]
    });
    ui::table(&["invoice", "amount", "paid at", "heard from"], rows.collect())
}

/// What is not as it should be.
pub fn faults(results: &[Played], payments: &[Payment]) -> Vec<String> {
    let mut faults: Vec<String> = results
        .iter()
        .filter(|played| !played.is_as_expected())
        .map(|played| {
            let case = played.case;
            format!(
                "{}: expected {} {} and {}, got {} {} and {}",
                case.what.bold(),
                case.status,
                case.word,
                case.state,
                played.status,
                played.word,
                played.state
            )
        })
        .collect();
    let found: Vec<_> = payments.iter().map(|payment| (payment.amount, payment.heard_from.as_str())).collect();
    let expected = [(4_200, "stripe"), (9_900, "events")];
    if found != expected {
        faults.push(format!("the payments should be {expected:?}, and are {found:?}"));
    }
    faults
}
