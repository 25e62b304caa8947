//! A server that others call: it keeps what it gets, and answers 200 with nothing; or takes everything and never answers.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

use crate::lambda::read_request;

pub struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its first line and headers.
    pub head: String,
    pub body: Vec<u8>,
}

/// A span as a collector gets it, its ids in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenSpan {
    pub name: String,
    pub trace_id: String,
    pub span_id: String,
    pub parent_id: String,
    /// What was logged in it, if that went along.
    pub events: usize,
    /// The names of its attributes.
    pub attributes: Vec<String>,
}

impl Receiver {
    pub fn start() -> Self {
        Self::of(true)
    }

    /// It takes connections and whatever comes over them.
    pub fn silent() -> Self {
        Self::of(false)
    }

    fn of(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Seen>>>::default());
        let keeps = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&keeps);
                thread::spawn(move || serve(stream, &seen, answers));
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The spans that it got so far, as a collector, when one of them is called `last`.
    pub fn spans_with(&self, last: &str) -> Vec<SeenSpan> {
        for _ in 0..500 {
            let spans: Vec<SeenSpan> = self.seen().iter().flat_map(spans).collect();
            if spans.iter().any(|span| span.name == last) {
                return spans;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("no span {last} in {:?}", self.seen())
    }
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find_map(|(header, value)| header.eq_ignore_ascii_case(name).then(|| value.trim()))
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Seen>>, answers: bool) {
    let mut buffer = Vec::new();
    while let Some((head, total)) = read_request(&mut stream, &mut buffer) {
        let request =
            Seen { head: String::from_utf8_lossy(&buffer[..head]).into_owned(), body: buffer[head..total].to_vec() };
        seen.lock().unwrap().push(request);
        buffer.drain(..total);
        if answers && stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

fn spans(seen: &Seen) -> Vec<SeenSpan> {
    assert!(seen.head.starts_with("POST /v1/traces "), "{}", seen.head);
    assert_eq!(seen.header("content-type"), Some("application/x-protobuf"));
    let request = ExportTraceServiceRequest::decode(seen.body.as_slice()).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans).map(|span| SeenSpan {
        name: span.name,
        trace_id: hex::encode(&span.trace_id),
        span_id: hex::encode(&span.span_id),
        parent_id: hex::encode(&span.parent_span_id),
        events: span.events.len(),
        attributes: span.attributes.into_iter().map(|attribute| attribute.key).collect(),
    });
    spans.collect()
}
