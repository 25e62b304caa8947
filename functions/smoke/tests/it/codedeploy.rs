//! CodeDeploy's side. The emulator does not know this call.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, SdkConfig};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub struct Server {
    pub url: String,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    /// What it says, and then 200.
    says: Mutex<Vec<u16>>,
    reports: Mutex<Vec<Value>>,
}

impl Server {
    pub async fn start(says: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::new(Kept { says: Mutex::new(says.iter().rev().copied().collect()), reports: Mutex::default() });
        let routes = Router::new().fallback(take).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, kept }
    }

    pub async fn client(&self) -> smoke::CodeDeploy {
        smoke::CodeDeploy::new(&sdk(&self.url).await)
    }

    pub fn reports(&self) -> Vec<Value> {
        self.kept.reports.lock().unwrap().clone()
    }

    /// `Succeeded` or `Failed`, told once for this deployment.
    pub fn outcome(&self) -> String {
        let reports = self.reports();
        let [report] = &reports[..] else { panic!("{reports:?}") };
        assert_eq!(report["deploymentId"], super::stage::DEPLOYMENT);
        assert_eq!(report["lifecycleEventHookExecutionId"], "execution");
        report["status"].as_str().unwrap().to_owned()
    }
}

/// For clients of this server, whatever the environment says of the emulator.
pub async fn sdk(url: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest()).endpoint_url(url).load().await
}

async fn take(State(kept): State<Arc<Kept>>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    assert_eq!(headers["x-amz-target"], "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus");
    crate::permissions::of_reporting().await;
    kept.reports.lock().unwrap().push(serde_json::from_str(&body).unwrap());
    let status = kept.says.lock().unwrap().pop().unwrap_or(200);
    let answer = match status {
        200 => json!({"lifecycleEventHookExecutionId": "execution"}),
        400 => json!({"__type": "InvalidLifecycleEventHookExecutionIdException", "message": "there is none"}),
        _ => json!({}),
    };
    (StatusCode::from_u16(status).unwrap(), answer.to_string())
}
