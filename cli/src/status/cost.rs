//! What the account has cost this month, as Cost Explorer has it: some hours late. Each question costs 0.01 USD.
//!
//! Of the whole account: a stack's part is known only after its tag was activated in the billing console, and from then on.

use anyhow::Context as _;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;
use serde_json::{Value, json};
use shared::clock;

use crate::stage::{Api, Cloud};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    pub amount: String,
    pub currency: String,
    /// The first day of the month.
    pub since: Date,
}

pub async fn ask(cloud: &Cloud) -> anyhow::Result<Cost> {
    let (since, until) = month(clock::now());
    let request = json!({
        "TimePeriod": {"Start": since.to_string(), "End": until.to_string()},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
    });
    let answer = cloud.call(Api::COST, "GetCostAndUsage", &request).await;
    read(&answer.map_err(|error| error.explain("AWS does not say what it costs"))?, since)
}

/// From the first day of the month to tomorrow, which is not counted.
fn month(now: Timestamp) -> (Date, Date) {
    let today = now.to_zoned(TimeZone::UTC).date();
    (today.first_of_month(), today.tomorrow().unwrap_or(today))
}

fn read(answer: &Value, since: Date) -> anyhow::Result<Cost> {
    let total = &answer["ResultsByTime"][0]["Total"]["UnblendedCost"];
    let amount: f64 = total["Amount"].as_str().and_then(|text| text.parse().ok()).context("AWS names no amount")?;
    let currency = total["Unit"].as_str().unwrap_or("USD").to_owned();
    Ok(Cost { amount: format!("{amount:.2}"), currency, since })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_a_first_day_and_ends_tomorrow() {
        let of = |text: &str| {
            let (since, until) = month(text.parse().unwrap());
            format!("{since} {until}")
        };
        assert_eq!(of("2026-11-01T00:00:00Z"), "2026-11-01 2026-11-02");
        assert_eq!(of("2026-12-31T23:59:59Z"), "2026-12-01 2027-01-01");
    }

    #[test]
    fn an_amount_is_read() {
        let total = |amount: Value| json!({"ResultsByTime": [{"Total": {"UnblendedCost": amount}}]});
        let since: Date = "2026-11-01".parse().unwrap();
        let cost = read(&total(json!({"Amount": "12.3456", "Unit": "USD"})), since).unwrap();
        assert_eq!((cost.amount.as_str(), cost.currency.as_str()), ("12.35", "USD"));
        assert!(read(&total(json!({})), since).is_err() && read(&json!({}), since).is_err());
    }
}
