//! Lambda, for processes that are to be killed: environments that run the real binaries, each behind a runtime API of its
//! own (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>). One that dies is replaced; its invocation fails.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::Value;
use shared::clock;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    guard::StopSignal,
    stack::{Invoke, Invoking, Output, Plan, Process},
};

/// The largest answer of a function.
const LARGEST: usize = 6 * 1024 * 1024;
/// How long a killed environment takes to be replaced.
const REPLACED_AFTER: Duration = Duration::from_millis(50);

/// A function: its binary, and how its environments are set up.
pub struct Function {
    pub name: &'static str,
    pub binary: PathBuf,
    pub environment: Vec<(&'static str, String)>,
    pub log: PathBuf,
    /// How long an invocation may take. What takes longer is killed.
    pub time: Duration,
    pub environments: usize,
}

/// All functions, ready to be invoked.
pub struct Lambda {
    pools: HashMap<&'static str, Pool>,
}

struct Pool {
    time: Duration,
    all: Vec<Arc<Environment>>,
    free: mpsc::Sender<Arc<Environment>>,
    next_free: tokio::sync::Mutex<mpsc::Receiver<Arc<Environment>>>,
}

struct Environment {
    invocations: mpsc::Sender<Invocation>,
    killed: Arc<Notify>,
    tasks: [JoinHandle<()>; 2],
}

struct Invocation {
    event: String,
    deadline_ms: i64,
    answer: oneshot::Sender<Option<Bytes>>,
}

/// The runtime API of one environment.
struct Api {
    waiting: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    running: Mutex<HashMap<String, oneshot::Sender<Option<Bytes>>>>,
}

impl Lambda {
    pub async fn start(functions: Vec<Function>) -> anyhow::Result<Self> {
        let mut pools = HashMap::new();
        for function in functions {
            let function = Arc::new(function);
            let (free, next_free) = mpsc::channel(function.environments);
            let mut all = Vec::new();
            for number in 0..function.environments {
                let environment = Arc::new(Environment::start(&function, number).await?);
                free.send(Arc::clone(&environment)).await?;
                all.push(environment);
            }
            pools.insert(function.name, Pool { time: function.time, all, free, next_free: next_free.into() });
        }
        Ok(Self { pools })
    }

    /// Kills one environment of a function with SIGKILL, whatever it is doing.
    pub fn kill(&self, function: &str, number: usize) {
        if let Some(pool) = self.pools.get(function) {
            pool.all[number % pool.all.len()].killed.notify_one();
        }
    }
}

impl Invoke for Lambda {
    fn invoke<'i>(&'i self, function: &'i str, event: Value) -> Invoking<'i> {
        Box::pin(async move {
            let pool = self.pools.get(function)?;
            let environment = pool.next_free.lock().await.recv().await?;
            let answer = environment.run(event.to_string(), pool.time).await;
            let _ = pool.free.send(environment).await;
            serde_json::from_slice(&answer?).ok()
        })
    }
}

impl Environment {
    async fn start(function: &Arc<Function>, number: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (invocations, waiting) = mpsc::channel(1);
        let api = Arc::new(Api { waiting: waiting.into(), running: Mutex::default() });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(respond))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(fail))
            .fallback(|| async { StatusCode::ACCEPTED })
            .layer(DefaultBodyLimit::max(LARGEST))
            .with_state(Arc::clone(&api));
        let serving = tokio::spawn(async move {
            // It ends only when it is aborted.
            let _ = axum::serve(listener, routes).await;
        });
        let killed = Arc::new(Notify::new());
        let supervising = supervise(Arc::clone(function), number, address, Arc::clone(&killed), api);
        Ok(Self { invocations, killed, tasks: [serving, tokio::spawn(supervising)] })
    }

    /// `None` when the function failed, was killed, or took too long.
    async fn run(&self, event: String, time: Duration) -> Option<Bytes> {
        let (answer, answered) = oneshot::channel();
        let limit = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let deadline_ms = clock::now().as_millisecond().saturating_add(limit);
        self.invocations.send(Invocation { event, deadline_ms, answer }).await.ok()?;
        match timeout(time, answered).await {
            Ok(answer) => answer.ok()?,
            Err(_) => {
                self.killed.notify_one();
                None
            }
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Keeps a process running, and fails what was under way when it ends.
async fn supervise(function: Arc<Function>, number: usize, address: String, killed: Arc<Notify>, api: Arc<Api>) {
    loop {
        if let Ok(mut process) = Process::start(plan(&function, number, &address)) {
            tokio::select! {
                () = killed.notified() => {}
                _ = process.ended() => {}
            }
            let _ = tokio::task::spawn_blocking(move || drop(process)).await;
        }
        api.running.lock().unwrap_or_else(PoisonError::into_inner).clear();
        sleep(REPLACED_AFTER).await;
    }
}

fn plan(function: &Function, number: usize, address: &str) -> Plan {
    let mut environment = function.environment.clone();
    environment.extend([
        ("AWS_LAMBDA_RUNTIME_API", address.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".into()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".into()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "chaos".into()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "chaos".into()),
    ]);
    Plan {
        name: function.name,
        program: function.binary.clone(),
        arguments: Vec::new(),
        directory: std::env::temp_dir(),
        environment,
        unset: &[],
        stop: StopSignal::Kill,
        user: None,
        output: Output::File(function.log.with_extension(format!("{number}.log"))),
    }
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    let Some(invocation) = api.waiting.lock().await.recv().await else { return StatusCode::GONE.into_response() };
    let id = clock::new_id().to_string();
    api.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), invocation.answer);
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", invocation.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:chaos".into()),
    ];
    (headers, invocation.event).into_response()
}

async fn respond(State(api): State<Arc<Api>>, Path(id): Path<String>, answer: Bytes) -> StatusCode {
    api.finish(&id, Some(answer))
}

async fn fail(State(api): State<Arc<Api>>, Path(id): Path<String>) -> StatusCode {
    api.finish(&id, None)
}

impl Api {
    fn finish(&self, id: &str, answer: Option<Bytes>) -> StatusCode {
        if let Some(waiting) = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(id) {
            let _ = waiting.send(answer);
        }
        StatusCode::ACCEPTED
    }
}
