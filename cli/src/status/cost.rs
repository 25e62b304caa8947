//! What the account has cost this month, as the stage's budget has it (`Budget` in `template.yaml`): some hours late, and at no charge.
//!
//! Of the whole account: a stack's part is known only after its tag was activated in the billing console, and from then on.

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Value, json};

use crate::stage::{Api, Cloud};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Spent this month.
    pub amount: f64,
    /// Of so much.
    pub budget: f64,
    /// What the month will come to. AWS needs some weeks of history for it.
    pub forecast: Option<f64>,
    pub currency: String,
}

pub async fn ask(cloud: &Cloud) -> anyhow::Result<Cost> {
    let account = cloud.identity().await?.account;
    let request = json!({"AccountId": account, "BudgetName": format!("{}-monthly", cloud.stack())});
    let answer = cloud.call(Api::BUDGETS, "DescribeBudget", &request).await;
    read(&answer.map_err(|error| error.explain("AWS does not say what it costs"))?["Budget"])
}

fn read(budget: &Value) -> anyhow::Result<Cost> {
    let amount = |spend: &Value| spend["Amount"].as_str().and_then(|text| text.parse::<f64>().ok());
    let spent = &budget["CalculatedSpend"]["ActualSpend"];
    Ok(Cost {
        amount: amount(spent).context("AWS names no amount")?,
        budget: amount(&budget["BudgetLimit"]).context("AWS names no budget")?,
        // 0 where there is no forecast yet.
        forecast: amount(&budget["CalculatedSpend"]["ForecastedSpend"]).filter(|forecast| *forecast > 0.0),
        currency: spent["Unit"].as_str().unwrap_or("USD").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_read() {
        let spend = |amount: &str| json!({"Amount": amount, "Unit": "USD"});
        let mut budget = json!({
            "BudgetLimit": spend("40.0"), "CalculatedSpend": {"ActualSpend": spend("12.3456"), "ForecastedSpend": spend("18.9")},
        });
        let cost = read(&budget).unwrap();
        assert_eq!((cost.amount, cost.budget, cost.forecast, &*cost.currency), (12.3456, 40.0, Some(18.9), "USD"));
        budget["CalculatedSpend"]["ForecastedSpend"] = Value::Null;
        assert_eq!(read(&budget).unwrap().forecast, None);
        budget["CalculatedSpend"] = json!({});
        assert!(read(&budget).is_err() && read(&Value::Null).is_err());
    }
}
