//! What is found in forms with several faults, at several depths.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::events::{Cents, Currency, Money};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Order {
    name: String,
    total: Money,
    lines: Vec<Line>,
    #[serde(rename = "a/b~c")]
    odd: bool,
    note: Option<String>,
    kind: Option<Kind>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Gift,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Line {
    price: Money,
}

impl Form for Order {
    fn sample(_: Uuid, _: jiff::Timestamp) -> Self {
        let price = Money { cents: Cents::SAMPLE, currency: Currency::EUR };
        Self {
            name: "n".into(),
            total: price,
            lines: vec![Line { price }],
            odd: true,
            note: Some("n".into()),
            kind: Some(Kind::Gift),
        }
    }
}

fn faults(data: &Value) -> Vec<String> {
    read::<Order>(data).unwrap_err().errors.into_iter().map(|error| error.field).collect()
}

#[test]
fn every_fault_is_named_at_every_depth() {
    let data = json!({
        "name": 1, "total": {"cents": 0, "currency": "euro"}, "note": [],
        "lines": [{"price": {"cents": 1, "currency": "EUR"}}, {}, {"price": {"cents": "1"}}],
    });
    let mut found = faults(&data);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "/a~1b~0c",
            "/lines/1/price",
            "/lines/2/price/cents",
            "/lines/2/price/currency",
            "/name",
            "/note",
            "/total/cents",
            "/total/currency"
        ]
    );
}

#[test]
fn an_array_is_no_object() {
    let good = || serde_json::to_value(Order::sample(Uuid::nil(), jiff::Timestamp::UNIX_EPOCH)).unwrap();
    assert!(read::<Order>(&good()).is_ok());
    let mut order = good();
    order["total"] = json!([1, "EUR"]);
    order["lines"] = json!([[[1, "EUR"]]]);
    let mut found = faults(&order);
    found.sort_unstable();
    assert_eq!(found, ["/lines/0", "/total"]);
    let mut order = good();
    order["kind"] = json!({"gift": null});
    assert_eq!(faults(&order), ["/kind"], "what `Deserialize` would take for the name");
    for data in [json!(["n", [1, "EUR"], [], true, null]), json!([]), json!(null), json!("n")] {
        assert_eq!(faults(&data), [""], "{data}");
    }
}

#[test]
fn faults_are_bounded() {
    let lines: Vec<Value> = (0..1_000).map(|_| json!({"price": 1})).collect();
    let data = json!({"name": "x".repeat(10_000), "total": 1, "lines": lines, "a/b~c": "y".repeat(10_000)});
    let invalid = read::<Order>(&data).unwrap_err();
    assert_eq!(invalid.errors.len(), MOST);
    assert!(invalid.errors.iter().all(|error| error.detail.chars().count() <= LONGEST_DETAIL));
}
