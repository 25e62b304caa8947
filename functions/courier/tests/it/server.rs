//! A server of the other side's: says what a test has it say, and remembers what it was asked.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its first line and headers.
    pub head: String,
    pub body: String,
    pub at: Instant,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let wanted = |line: &&str| line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name));
        self.head.lines().find(wanted).map(|line| line.split_once(':').unwrap().1.trim())
    }
}

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: String,
    pub body: String,
    pub delay: Duration,
    pub end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Close,
    /// More and more of a body.
    Endless,
    /// Nothing more, and no end.
    Hang,
    /// The request's own head and body as the body.
    Echo,
}

impl Reply {
    pub fn of(status: u16, body: &str) -> Self {
        Self { status, headers: String::new(), body: body.into(), delay: Duration::ZERO, end: End::Close }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.extend([name, ": ", value, "\r\n"]);
        self
    }

    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    pub fn end(self, end: End) -> Self {
        Self { end, ..self }
    }
}

pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// The first request gets the first reply, and so on; the last is for all others.
    pub async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let remember = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, replies.clone(), Arc::clone(&remember)));
            }
        });
        Self { address, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/hook", self.address.port())
    }
}

async fn serve(mut stream: TcpStream, replies: Vec<Reply>, seen: Arc<Mutex<Vec<Seen>>>) {
    let Some(request) = read(&mut stream).await else { return };
    let echo = format!("{}\r\n\r\n{}", request.head, request.body);
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        seen.len() - 1
    };
    let reply = &replies[number.min(replies.len() - 1)];
    sleep(reply.delay).await;
    let body = if reply.end == End::Echo { &echo } else { &reply.body };
    // The end of the connection is the end of the body.
    let answer = format!("HTTP/1.1 {} X\r\n{}connection: close\r\n\r\n{body}", reply.status, reply.headers);
    let mut going = stream.write_all(answer.as_bytes()).await.is_ok();
    while going && reply.end == End::Endless {
        going = stream.write_all(&[b'x'; 8_192]).await.is_ok();
    }
    if reply.end == End::Hang {
        sleep(Duration::from_mins(5)).await;
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 8_192];
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let seen = Seen { head: head.to_owned(), body: body.to_owned(), at: Instant::now() };
        let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            return Some(seen);
        }
    }
}
