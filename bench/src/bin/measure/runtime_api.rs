//! The Lambda runtime API for one environment: hands out events, takes answers. HTTP/1.1 on the loopback address,
//! without Nagle's delay, and no more of it than the runtime's client speaks: what is measured is the function, and it
//! shares the processors with this.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use crate::events::World;

const INVOCATION: Duration = Duration::from_secs(90);

/// A function's process, and the way to it.
pub struct Environment {
    process: Child,
    api: Arc<Api>,
    /// From the start of the process to its first poll for an event.
    pub start: Duration,
}

#[derive(Default)]
struct Api {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Not sent yet.
    pending: VecDeque<String>,
    /// Sent by one of the deliverers, and since when it waits.
    sent: VecDeque<(String, Instant)>,
    first_poll: Option<Instant>,
    handed_out: Option<Instant>,
    times: Vec<Duration>,
    expected: &'static str,
    /// How long an invocation may take, when it is not the usual time.
    invocation: Option<Duration>,
}

impl State {
    fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.sent.is_empty() && self.handed_out.is_none()
    }

    fn send_next(&mut self) {
        if let Some(event) = self.pending.pop_front() {
            self.sent.push_back((event, Instant::now()));
        }
    }
}

impl Environment {
    /// Starts `target/release/<binary>` and waits for its first poll.
    pub fn start(world: &World, binary: &str) -> Self {
        Self::start_with(world, binary, &[])
    }

    /// With these variables on top of the usual ones.
    pub fn start_with(world: &World, binary: &str, more: &[(&str, &str)]) -> Self {
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
        let started = Instant::now();
        let process = Command::new(format!("{}/../target/release/{binary}", env!("CARGO_MANIFEST_DIR")))
            .envs(world.environment())
            .envs(more.iter().copied())
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
        let first_poll = api.wait_for(|state| state.first_poll);
        Self { process, start: first_poll - started, api }
    }

    /// So many deliverers send `events` to it, each the next one when it has its answer, for `time` at most. How long
    /// each took, from being sent to its answer. Every answer must contain `expected`.
    pub fn work(
        &self,
        deliverers: usize,
        events: Vec<String>,
        expected: &'static str,
        time: Duration,
    ) -> Vec<Duration> {
        let deadline = Instant::now() + time;
        {
            let mut state = self.api.state();
            state.pending = events.into();
            state.expected = expected;
            (0..deliverers).for_each(|_| state.send_next());
            self.api.changed.notify_all();
        }
        while Instant::now() < deadline && !self.api.state().is_idle() {
            thread::sleep(Duration::from_millis(5));
        }
        {
            let mut state = self.api.state();
            state.pending.clear();
            state.sent.clear();
        }
        self.api.wait_for(|state| state.handed_out.is_none().then(|| std::mem::take(&mut state.times)))
    }

    /// From now on, invocations may take so long.
    pub fn give(&self, invocation: Duration) {
        self.api.state().invocation = Some(invocation);
    }

    /// The processor time that the process has used so far.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&self.process.id().to_string())
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

/// Of a process, by its id or `self`. After the name, which is in parentheses, utime and stime are fields 14 and 15, in
/// hundredths of a second.
pub fn cpu_seconds(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

impl Api {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn wait_for<T>(&self, mut wanted: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut state = self.state();
        loop {
            if let Some(found) = wanted(&mut state) {
                return found;
            }
            state = self.changed.wait(state).unwrap();
        }
    }

    /// Until the client closes the connection.
    fn serve(&self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut buffer = Vec::with_capacity(64 * 1024);
        while let Some((head, total)) = read_request(&mut stream, &mut buffer) {
            let is_poll = buffer.starts_with(b"GET ");
            let response = if is_poll { self.next() } else { self.answer(&buffer[head..total]) };
            buffer.drain(..total);
            if stream.write_all(&response).is_err() {
                return;
            }
        }
    }

    fn answer(&self, body: &[u8]) -> Vec<u8> {
        let mut state = self.state();
        let expected = state.expected.as_bytes();
        assert!(
            body.windows(expected.len()).any(|part| part == expected),
            "{} in {}",
            state.expected,
            String::from_utf8_lossy(body)
        );
        if let Some(handed_out) = state.handed_out.take() {
            state.times.push(handed_out.elapsed());
            state.send_next();
        }
        self.changed.notify_all();
        b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_vec()
    }

    fn next(&self) -> Vec<u8> {
        self.state().first_poll.get_or_insert_with(Instant::now);
        self.changed.notify_all();
        let event = self.wait_for(|state| {
            let (event, sent_at) = state.sent.pop_front()?;
            state.handed_out = Some(sent_at);
            Some(event)
        });
        let invocation = self.state().invocation.unwrap_or(INVOCATION).as_millis();
        let deadline = shared::clock::now().as_millisecond() + i64::try_from(invocation).unwrap();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
             lambda-runtime-deadline-ms: {deadline}\r\n\
             lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:bench\r\n\
             lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n\r\n\
             {event}",
            event.len()
        )
        .into_bytes()
    }
}

/// Reads until a request is complete: the lengths of its head and of all of it.
fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(usize, usize)> {
    let mut piece = [0; 8 * 1024];
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
        match stream.read(&mut piece) {
            Ok(count @ 1..) => buffer.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}
