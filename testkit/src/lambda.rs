//! The Lambda runtime API (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>) for one process of a real
//! binary, as far as a test needs it: one invocation at a time, on the loopback address.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;
use shared::clock;
use tokio::time::Instant;

/// What an invocation may take, and the start.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the function is told that it may take: nothing is begun with too little of it.
const TOLD: Duration = Duration::from_secs(90);

/// An answer.
#[derive(Debug)]
pub struct Answered {
    pub body: Value,
    /// How long the answer took, and how long until the function asked for the next event.
    pub after: Duration,
    pub ready_after: Duration,
}

/// A function's process. It ends with this.
pub struct Lambda {
    process: Child,
    api: Arc<Api>,
    output: Arc<Mutex<String>>,
}

#[derive(Default)]
struct Api {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How often it has asked for an event.
    polls: usize,
    event: Option<String>,
    /// The kind of it (`response`, `error`), and its body.
    answer: Option<(String, Vec<u8>)>,
}

impl Lambda {
    /// Starts `program` in this environment on top of ours, and waits for its first poll.
    pub fn start(program: &Path, variables: &BTreeMap<&str, String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let api = Arc::new(Api::default());
        let serving = Arc::clone(&api);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let api = Arc::clone(&serving);
                thread::spawn(move || api.serve(stream));
            }
        });
        let name = program.file_name().unwrap();
        let mut process = Command::new(program)
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "s")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "g")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let (stdout, lines) = (process.stdout.take().unwrap(), Arc::clone(&output));
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                *lines.lock().unwrap() += &(line + "\n");
            }
        });
        let lambda = Self { process, api, output };
        lambda.polled(1);
        lambda
    }

    /// Has it handle `event`, and waits until it asks for the next one. Its answer.
    pub fn invoke(&self, event: &Value) -> Value {
        self.invoke_timed(event).body
    }

    pub fn invoke_timed(&self, event: &Value) -> Answered {
        let began = Instant::now();
        let polls = {
            let mut state = self.api.state.lock().unwrap();
            state.event = Some(event.to_string());
            state.polls
        };
        self.api.changed.notify_all();
        let (kind, body) = self.api.wait_for(|state| state.answer.take());
        let body = String::from_utf8(body).unwrap();
        assert_eq!(kind, "response", "{body}");
        let after = began.elapsed();
        self.polled(polls + 1);
        Answered { body: serde_json::from_str(&body).unwrap(), after, ready_after: began.elapsed() }
    }

    /// What it wrote to standard output so far. A line may be on its way still: ask for what the last one says.
    pub fn output_with(&self, last: &str) -> String {
        for _ in 0..500 {
            let text = self.output.lock().unwrap().clone();
            if text.contains(last) {
                return text;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("no {last} in {}", self.output.lock().unwrap())
    }

    fn polled(&self, times: usize) {
        self.api.wait_for(|state| (state.polls >= times).then_some(()));
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Api {
    fn wait_for<T>(&self, mut wanted: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(found) = wanted(&mut state) {
                return found;
            }
            let (next, late) = self.changed.wait_timeout(state, PATIENCE).unwrap();
            assert!(!late.timed_out(), "the function takes too long");
            state = next;
        }
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some((head, total)) = read_request(&mut stream, &mut buffer) {
            let path = String::from_utf8_lossy(&buffer[..head]).split(' ').nth(1).unwrap_or_default().to_owned();
            let response = if path.ends_with("/invocation/next") {
                let Some(next) = self.next() else { return };
                next
            } else {
                let kind = path.rsplit('/').next().unwrap_or_default().to_owned();
                self.state.lock().unwrap().answer = Some((kind, buffer[head..total].to_vec()));
                self.changed.notify_all();
                "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
            };
            buffer.drain(..total);
            if stream.write_all(response.as_bytes()).is_err() {
                return;
            }
        }
    }

    /// Waits for an event as long as there is someone to bring one.
    fn next(&self) -> Option<String> {
        let mut state = self.state.lock().ok()?;
        state.polls += 1;
        self.changed.notify_all();
        let event = loop {
            match state.event.take() {
                Some(event) => break event,
                None => state = self.changed.wait(state).ok()?,
            }
        };
        let deadline = clock::now().as_millisecond() + i64::try_from(TOLD.as_millis()).ok()?;
        Some(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             lambda-runtime-aws-request-id: {}\r\nlambda-runtime-deadline-ms: {deadline}\r\n\
             lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:test\r\n\
             lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n\r\n\
             {event}",
            event.len(),
            clock::new_id(),
        ))
    }
}

/// Reads until a request is complete: the lengths of its head and of all of it.
pub(crate) fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(usize, usize)> {
    let mut piece = [0; 8 * 1024];
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let chunked = head.contains("transfer-encoding: chunked");
            assert!(!chunked, "the runtime's client sends lengths");
            let total = end + 4 + length.unwrap_or(0_usize);
            if buffer.len() >= total {
                return Some((end + 4, total));
            }
        }
        match stream.read(&mut piece) {
            Ok(count @ 1..) => buffer.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}
