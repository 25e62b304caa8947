//! S3, as far as CloudFormation's response URLs need it.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// S3's side of a response URL.
pub struct Bucket {
    pub url: String,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    /// What it says, first to last, and then 200.
    says: Mutex<Vec<u16>>,
    puts: Mutex<Vec<String>>,
}

impl Bucket {
    pub async fn start(says: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/arn%3Aaws%3Ax?X-Amz-Signature=a%2Fb", listener.local_addr().unwrap());
        let kept = Arc::new(Kept { says: Mutex::new(says.iter().rev().copied().collect()), puts: Mutex::default() });
        let routes = Router::new().fallback(take).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, kept }
    }

    pub fn bodies(&self) -> Vec<String> {
        self.kept.puts.lock().unwrap().clone()
    }

    /// The only answer.
    pub fn answer(&self) -> Value {
        let bodies = self.bodies();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        serde_json::from_str(&bodies[0]).unwrap()
    }

    pub fn request(&self, kind: &str, more: &Value) -> Value {
        let mut request = json!({
            "RequestType": kind, "ResponseURL": self.url, "StackId": "arn:aws:cloudformation:x:stack/solo/1",
            "RequestId": "r-1", "LogicalResourceId": "Schema", "ResourceType": "Custom::Schema",
            "ResourceProperties": {"ServiceToken": "arn", "Release": "abc"},
        });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    }
}

/// As S3 does with a URL that was signed for no Content-Type.
async fn take(State(kept): State<Arc<Kept>>, method: Method, uri: Uri, headers: HeaderMap, body: String) -> StatusCode {
    let signed = method == Method::PUT && uri == "/arn%3Aaws%3Ax?X-Amz-Signature=a%2Fb";
    if !signed || headers.get("content-type").is_some_and(|value| !value.is_empty()) {
        return StatusCode::FORBIDDEN;
    }
    kept.puts.lock().unwrap().push(body);
    StatusCode::from_u16(kept.says.lock().unwrap().pop().unwrap_or(200)).unwrap()
}
