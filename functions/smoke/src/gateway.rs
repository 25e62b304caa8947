//! Requests and answers as API Gateway puts them (HTTP API, payload format 2.0).
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>)

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

const USER_AGENT: &str = concat!("solo-os-smoke/", env!("CARGO_PKG_VERSION"));

/// An answer, its body read as JSON; null when it is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u64,
    pub body: Value,
}

/// A request without a sender's address: it comes from nobody's client.
pub fn request(method: &str, path: &str, headers: &[(HeaderName, HeaderValue)], body: &[u8]) -> Value {
    let text = |value: &HeaderValue| Value::from(String::from_utf8_lossy(value.as_bytes()));
    let mut all: Map<_, _> = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    all.insert("user-agent".into(), USER_AGENT.into());
    let route = format!("{method} {path}");
    json!({
        "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": "", "headers": all,
        // The bytes that were signed, whatever they are.
        "isBase64Encoded": true, "body": STANDARD.encode(body),
        "requestContext": {
            "accountId": "smoke", "apiId": "smoke", "domainName": "smoke.invalid", "domainPrefix": "smoke",
            "requestId": "smoke", "routeKey": route, "stage": "$default", "time": "01/Jan/1970:00:00:00 +0000",
            "timeEpoch": 0,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": USER_AGENT},
        },
    })
}

/// `None` when it is no answer to API Gateway.
pub fn answer(payload: &Value) -> Option<Answer> {
    let status = payload.get("statusCode")?.as_u64()?;
    let text = payload.get("body").and_then(Value::as_str).unwrap_or_default();
    let encoded = payload.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or(false);
    let bytes = if encoded { STANDARD.decode(text).ok()? } else { text.as_bytes().to_vec() };
    Some(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
}

impl Answer {
    /// The `status` of a success, or the `error` of a problem.
    pub fn word(&self) -> &str {
        self.body.get("error").or(self.body.get("status")).and_then(Value::as_str).unwrap_or("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_answer_is_none() {
        for payload in [json!(null), json!({}), json!({"statusCode": "200"}), json!([1])] {
            assert_eq!(answer(&payload), None, "{payload}");
        }
        let plain = answer(&json!({"statusCode": 200, "body": "{\"status\":\"ok\"}"})).unwrap();
        assert_eq!((plain.status, plain.word()), (200, "ok"));
        let encoded =
            json!({"statusCode": 401, "body": STANDARD.encode("{\"error\":\"no\"}"), "isBase64Encoded": true});
        assert_eq!(answer(&encoded).unwrap().word(), "no");
        assert_eq!(answer(&json!({"statusCode": 502, "body": "<html>"})).unwrap().word(), "nothing");
    }
}
