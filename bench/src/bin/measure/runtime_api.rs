//! The Lambda runtime API for one environment: hands out events, takes answers. HTTP on the loopback address, without
//! Nagle's delay.

use std::{
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    time::Instant,
};

use crate::events::World;

/// A function's process, and the way to it.
pub struct Environment {
    process: Child,
    events: mpsc::Sender<String>,
    answers: mpsc::Receiver<Bytes>,
    /// From the start of the process to its first poll for an event.
    pub start: std::time::Duration,
}

struct Api {
    events: Mutex<mpsc::Receiver<String>>,
    answers: mpsc::Sender<Bytes>,
    polled: mpsc::Sender<Instant>,
}

impl Environment {
    /// Starts `target/release/<binary>` and waits for its first poll.
    pub async fn start(world: &World, binary: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, event_receiver) = mpsc::channel(1);
        let (answer_sender, answers) = mpsc::channel(1);
        let (polled, mut first_poll) = mpsc::channel(1);
        let api = Arc::new(Api { events: Mutex::new(event_receiver), answers: answer_sender, polled });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let api = Arc::clone(&api);
                tokio::spawn(async move {
                    let service = service_fn(|request| serve(request, Arc::clone(&api)));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        let started = Instant::now();
        let process = Command::new(format!("{}/../target/release/{binary}", env!("CARGO_MANIFEST_DIR")))
            .envs(world.environment())
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", binary)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "s")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "g")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let start = first_poll.recv().await.unwrap() - started;
        Self { process, events, answers, start }
    }

    /// One invocation, from the event to its answer.
    pub async fn invoke(&mut self, event: &str) -> Value {
        self.events.send(event.to_owned()).await.unwrap();
        serde_json::from_slice(&self.answers.recv().await.unwrap()).unwrap()
    }

    /// The most memory that the process ever held (`VmHWM`).
    pub fn peak_memory_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn serve(request: Request<Incoming>, api: Arc<Api>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.uri().path().ends_with("/invocation/next") {
        let _ = api.polled.try_send(Instant::now());
        let event = api.events.lock().await.recv().await.unwrap_or_default();
        let deadline = shared::clock::now().as_millisecond() + 30_000;
        let response = Response::builder()
            .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
            .header("lambda-runtime-deadline-ms", deadline)
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:bench")
            .header(
                "lambda-runtime-trace-id",
                "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
            )
            .header("content-type", "application/json");
        return Ok(response.body(Full::from(event)).unwrap());
    }
    let answer = request.into_body().collect().await?.to_bytes();
    let _ = api.answers.send(answer).await;
    Ok(Response::builder().status(202).body(Full::default()).unwrap())
}
