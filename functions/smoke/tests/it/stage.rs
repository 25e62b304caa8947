//! A stage: the functions themselves, in this process, behind the trait that Lambda is behind. They are the administrator to
//! AWS: the role is the hook's own.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use axum::{Router, body::Body};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use lambda_http::request::LambdaRequest;
use serde_json::{Value, json};
use shared::{
    aws::Services,
    config::{Config, Env},
    db::{Credentials, Database, DatabaseUrl},
    http::{gateway::tame, layered},
    secrets::SecretsManager,
};
use smoke::{Hook, Invoke, InvokeError, Invoking};
use testkit::{AppSecret, TestDatabase, TestQueues, TestSecrets, admin_config};
use tower::ServiceExt as _;

use crate::{codedeploy::Server, permissions};

pub const DEPLOYMENT: &str = "d-ABCDEF123";

pub type Function = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Value, InvokeError>> + Send + Sync>;

pub struct Stage {
    pub database: TestDatabase,
    pub queues: TestQueues,
    pub secret: AppSecret,
    pub secrets: TestSecrets,
    pub functions: HashMap<String, Function>,
    toml: Option<String>,
}

/// What the functions are invoked through.
struct Versions(HashMap<String, Function>);

impl Invoke for Versions {
    fn invoke<'a>(&'a self, version: &'a str, event: Value) -> Invoking<'a> {
        // Through its wire form.
        let event = serde_json::from_str(&event.to_string()).unwrap();
        let answer = (self.0[version])(event);
        Box::pin(async move {
            permissions::of_invoking(version).await;
            answer.await
        })
    }
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(&AppSecret::random(), None).await
    }

    /// With these secrets of providers, and another `solo.toml`.
    pub async fn with(secret: &AppSecret, toml: Option<String>) -> Self {
        let secrets = TestSecrets::create(&secret.json()).await;
        let (database, queues) = (TestDatabase::new().await, TestQueues::create().await);
        let functions = HashMap::new();
        let mut stage = Self { database, queues, secret: secret.clone(), secrets, functions, toml };
        let url = stage.database.app_url();
        let all = [
            ("webhooks", stage.webhooks(&url).await),
            ("health", stage.health(&url).await),
            ("worker", stage.worker(&url).await),
            ("courier", stage.courier().await),
            ("ops", stage.ops(&url).await),
        ];
        stage.functions = all.into_iter().map(|(name, function)| (arn(name), function)).collect();
        stage
    }

    pub async fn webhooks(&self, database: &DatabaseUrl) -> Function {
        let config = self.config(database);
        let services = Services::of(&admin_config().await, &config.queues);
        let environment = webhooks::Environment::new(config, services, app::handlers()).unwrap();
        environment.warm_up().await.unwrap();
        routed(webhooks::router(Arc::new(environment)))
    }

    pub async fn health(&self, database: &DatabaseUrl) -> Function {
        let mut settings = health::Settings::load(&Env::of(&pairs(&self.variables()))).unwrap();
        settings.database.url = database.clone();
        let services = health::Services::of(&admin_config().await, &settings);
        let environment = health::Environment::new(settings, services).unwrap();
        routed(health::router(Arc::new(environment)))
    }

    async fn worker(&self, database: &DatabaseUrl) -> Function {
        let config = self.config(database);
        let services = Services::of(&admin_config().await, &config.queues);
        let settings = worker::Settings { connections: 1 };
        let worker = Arc::new(worker::Worker::new(config, &settings, services, app::handlers()).unwrap());
        function(move |event| {
            let worker = Arc::clone(&worker);
            async move { worker.invoke(event, 0).await.map_err(|error| InvokeError::Function(error.to_string())) }
        })
    }

    async fn courier(&self) -> Function {
        let config = courier::Config::load(&Env::of(&pairs(&self.variables()))).unwrap();
        let services = courier::Services::of(&admin_config().await, &config);
        let courier = Arc::new(courier::Courier::new(config, services).unwrap());
        function(move |event| {
            let courier = Arc::clone(&courier);
            async move {
                let batch: SqsEvent = serde_json::from_value(event).unwrap();
                Ok(json!(courier.deliver(batch, Duration::from_mins(1)).await))
            }
        })
    }

    async fn ops(&self, database: &DatabaseUrl) -> Function {
        let services = Services::of(&admin_config().await, &self.queues.config);
        let database = Database::new(database.clone(), Credentials::Url, &[]).unwrap();
        let environment = Arc::new(ops::Environment { database, inbox: services.inbox });
        function(move |event| {
            let environment = Arc::clone(&environment);
            async move { Ok(json!(ops::perform(&environment, event).await)) }
        })
    }

    pub fn config(&self, database: &DatabaseUrl) -> Config {
        let mut config = Config::load(&Env::of(&pairs(&self.variables()))).unwrap();
        config.database.url = database.clone();
        config
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut all = self.queues.variables().to_vec();
        all.push(("DATABASE_URL", self.database.app_url().to_string()));
        all.push(("APP_SECRET_ID", self.secrets.id.clone()));
        all.extend(self.toml.clone().map(|path| ("SOLO_TOML", path)));
        all
    }

    /// Another function in the place of one.
    pub fn put(&mut self, name: &str, function: Function) {
        self.functions.insert(arn(name), function);
    }

    pub fn get(&self, name: &str) -> Function {
        Arc::clone(&self.functions[&arn(name)])
    }

    pub async fn hook(&self, codedeploy: &Server) -> Hook {
        let mut variables = vec![("APP_SECRET_ID", self.secrets.id.clone())];
        variables.extend(self.toml.clone().map(|path| ("SOLO_TOML", path)));
        for name in ["WEBHOOKS", "HEALTH", "WORKER", "COURIER", "OPS"] {
            let variable: &'static str = format!("{name}_VERSION").leak();
            variables.push((variable, arn(&name.to_lowercase())));
        }
        let invoke = Arc::new(Versions(self.functions.clone()));
        let secrets = Arc::new(SecretsManager::from_env().await);
        Hook::new(&Env::of(&pairs(&variables)), invoke, secrets, codedeploy.client().await)
    }

    /// The faults that the hook finds. It has told CodeDeploy the same.
    pub async fn faults(&self) -> Vec<String> {
        self.faults_within(0).await
    }

    pub async fn faults_within(&self, deadline: u64) -> Vec<String> {
        let codedeploy = Server::start(&[]).await;
        let answer = self.hook(&codedeploy).await.handle(event(), deadline).await.unwrap();
        let faults: Vec<String> = serde_json::from_value(answer["faults"].clone()).unwrap();
        assert_eq!(codedeploy.outcome(), if faults.is_empty() { "Succeeded" } else { "Failed" });
        faults
    }

    pub async fn smoke_tests(&self) -> i64 {
        self.database.count("SELECT count(*) FROM executions WHERE event_type = 'solo.smoke_test'").await
    }
}

pub fn event() -> Value {
    json!({"DeploymentId": DEPLOYMENT, "LifecycleEventHookExecutionId": "execution"})
}

/// The number of the new version.
pub fn number(name: &str) -> usize {
    7 + ["webhooks", "health", "worker", "courier", "ops"].iter().position(|other| *other == name).unwrap()
}

fn arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:123456789012:function:the-stack-{name}:{}", number(name))
}

fn pairs<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

pub fn function<F>(does: impl Fn(Value) -> F + Send + Sync + 'static) -> Function
where
    F: Future<Output = Result<Value, InvokeError>> + Send + 'static,
{
    Arc::new(move |event| Box::pin(does(event)))
}

/// As a function that has no invocation free.
pub fn busy() -> Function {
    function(|_| async { Err(InvokeError::Throttled("TooManyRequestsException: Rate Exceeded.".into())) })
}

/// As in Lambda: API Gateway's event in, its answer out.
fn routed(router: Router) -> Function {
    let router = layered(router);
    function(move |event| {
        let router = router.clone();
        async move {
            let request: LambdaRequest = serde_json::from_value(event).unwrap();
            let request: lambda_http::Request = tame(request).into();
            let (parts, body) =
                router.oneshot(request.map(|body| Body::from(body.to_vec()))).await.unwrap().into_parts();
            let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
            Ok(json!({"statusCode": parts.status.as_u16(), "headers": {}, "body": body, "isBase64Encoded": false}))
        }
    })
}
