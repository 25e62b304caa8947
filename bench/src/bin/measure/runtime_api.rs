//! The Lambda runtime API for one environment: hands out events, takes answers. HTTP/1.1 on the loopback address,
//! without Nagle's delay, and no more of it than the runtime's client speaks: what is measured is the function, and it
//! shares the processors with this.

use std::{
    cell::RefCell,
    collections::VecDeque,
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    rc::Rc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::spawn_local,
    time::Instant,
};

use crate::events::World;

/// A function's process, and the way to it.
pub struct Environment {
    process: Child,
    api: Rc<Api>,
    /// From the start of the process to its first poll for an event.
    pub start: Duration,
}

#[derive(Default)]
struct Api {
    state: RefCell<State>,
    polled: Notify,
    filled: Notify,
    answered: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<String>,
    first_poll: Option<Instant>,
    handed_out: Option<Instant>,
    times: Vec<Duration>,
    expected: &'static str,
}

impl Environment {
    /// Starts `target/release/<binary>` and waits for its first poll.
    pub async fn start(world: &World, binary: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let api = Rc::new(Api::default());
        let serving = Rc::clone(&api);
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                spawn_local(serve(stream, Rc::clone(&serving)));
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
        api.polled.notified().await;
        let start = api.state.borrow().first_poll.unwrap() - started;
        Self { process, api, start }
    }

    /// Lets it work through `events`, for `time` at most. How long each took, from its hand-out to its answer. Every
    /// answer must contain `expected`.
    pub async fn work(&self, events: Vec<String>, expected: &'static str, time: Duration) -> Vec<Duration> {
        let started = Instant::now();
        let count = events.len();
        {
            let mut state = self.api.state.borrow_mut();
            state.times.clear();
            state.queue = events.into();
            state.expected = expected;
        }
        self.api.filled.notify_one();
        loop {
            self.api.answered.notified().await;
            let mut state = self.api.state.borrow_mut();
            if started.elapsed() > time {
                state.queue.clear();
            }
            if state.times.len() == count || (state.queue.is_empty() && state.handed_out.is_none()) {
                return std::mem::take(&mut state.times);
            }
        }
    }

    /// The processor time that the process has used so far.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        // After the name, which is in parentheses: utime and stime are fields 14 and 15, in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
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

/// Until the client closes the connection.
async fn serve(mut stream: TcpStream, api: Rc<Api>) {
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let Some((head, total)) = read_request(&mut stream, &mut buffer).await else { return };
        let is_poll = buffer.starts_with(b"GET ");
        let response = if is_poll { next(&api).await } else { answer(&api, &buffer[head..total]) };
        buffer.drain(..total);
        if stream.write_all(&response).await.is_err() {
            return;
        }
    }
}

/// Reads until a request is complete: the lengths of its head and of all of it.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(usize, usize)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = str::from_utf8(&buffer[..end]).unwrap();
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            let total = end + 4 + length.unwrap_or(0_usize);
            if buffer.len() >= total {
                return Some((end + 4, total));
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn answer(api: &Api, body: &[u8]) -> Vec<u8> {
    let mut state = api.state.borrow_mut();
    let expected = state.expected.as_bytes();
    assert!(
        body.windows(expected.len()).any(|part| part == expected),
        "{} in {}",
        state.expected,
        String::from_utf8_lossy(body)
    );
    if let Some(handed_out) = state.handed_out.take() {
        state.times.push(handed_out.elapsed());
    }
    api.answered.notify_one();
    b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_vec()
}

async fn next(api: &Api) -> Vec<u8> {
    api.state.borrow_mut().first_poll.get_or_insert_with(Instant::now);
    api.polled.notify_one();
    let event = loop {
        if let Some(event) = api.state.borrow_mut().queue.pop_front() {
            break event;
        }
        api.filled.notified().await;
    };
    api.state.borrow_mut().handed_out = Some(Instant::now());
    let deadline = shared::clock::now().as_millisecond() + 30_000;
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
         lambda-runtime-deadline-ms: {deadline}\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:bench\r\n\
         lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n\r\n{event}",
        event.len()
    )
    .into_bytes()
}
