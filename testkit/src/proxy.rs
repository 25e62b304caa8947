//! A proxy in front of PostgreSQL: counts round trips, and breaks connections where it hurts.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use shared::db::DatabaseUrl;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::wire::Messages;

/// Forwards to a server until it is told to misbehave.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    round_trips: AtomicUsize,
    statements: AtomicUsize,
    seen: Mutex<Vec<String>>,
    lose_commit_answer: AtomicBool,
    silent: AtomicBool,
    down: watch::Sender<bool>,
}

impl Proxy {
    pub async fn before(url: &DatabaseUrl) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            round_trips: AtomicUsize::new(0),
            statements: AtomicUsize::new(0),
            seen: Mutex::default(),
            lose_commit_answer: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            down: watch::Sender::new(false),
        });
        let target: SocketAddr = format!("{}:{}", url.host, url.port).parse().unwrap();
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target, Arc::clone(&accepting)));
            }
        });
        Self { port, shared }
    }

    /// The same database, through this proxy.
    pub fn url(&self, url: &DatabaseUrl) -> DatabaseUrl {
        DatabaseUrl { host: "127.0.0.1".into(), port: self.port, ..url.clone() }
    }

    /// Starts counting anew.
    pub fn reset(&self) {
        self.shared.round_trips.store(0, Ordering::SeqCst);
        self.shared.statements.store(0, Ordering::SeqCst);
        self.shared.seen.lock().unwrap().clear();
    }

    /// How often the client sent something that it then waited for.
    pub fn round_trips(&self) -> usize {
        self.shared.round_trips.load(Ordering::SeqCst)
    }

    /// How many statements the client ran. Several can share a round trip.
    pub fn statements(&self) -> usize {
        self.shared.statements.load(Ordering::SeqCst)
    }

    /// What the client sent, for a failing test's message: `Q COMMIT`, `E` (execute), `P` (parse).
    pub fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Breaks every connection and lets no new one through, or ends that.
    pub fn set_down(&self, down: bool) {
        self.shared.down.send_replace(down);
    }

    /// Takes what the client sends and passes nothing on, or ends that.
    pub fn set_silent(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::SeqCst);
    }

    /// The next COMMIT reaches the server, and the connection breaks before the client learns of it.
    pub fn lose_next_commit_answer(&self) {
        self.shared.lose_commit_answer.store(true, Ordering::SeqCst);
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, shared: Arc<Shared>) {
    let mut down = shared.down.subscribe();
    if *down.borrow_and_update() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut from_client = Messages { startup: true, ..Messages::default() };
    let mut from_server = Messages::default();
    let (mut sent, mut received) = (vec![0; 65_536], vec![0; 65_536]);
    let (mut outstanding, mut losing) = (0_usize, false);
    loop {
        tokio::select! {
            _ = down.changed() => return,
            read = client.read(&mut sent) => {
                let Ok(count @ 1..) = read else { return };
                for (kind, body) in from_client.feed(&sent[..count]) {
                    losing |= note(kind, &body, &mut outstanding, &shared);
                }
                if shared.silent.load(Ordering::SeqCst) {
                    continue;
                }
                if server.write_all(&sent[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut received) => {
                let Ok(count @ 1..) = read else { return };
                let ready = from_server.feed(&received[..count]).iter().filter(|(kind, _)| *kind == b'Z').count();
                outstanding = outstanding.saturating_sub(ready);
                if losing && outstanding == 0 {
                    return;
                }
                if !losing && client.write_all(&received[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Counts one message of the client. Whether its answer is to be lost.
fn note(kind: u8, body: &[u8], outstanding: &mut usize, shared: &Shared) -> bool {
    let waits_for_answer = matches!(kind, b'Q' | b'S');
    if waits_for_answer {
        if *outstanding == 0 {
            shared.round_trips.fetch_add(1, Ordering::SeqCst);
        }
        *outstanding += 1;
    }
    if matches!(kind, b'Q' | b'E') {
        shared.statements.fetch_add(1, Ordering::SeqCst);
    }
    let text =
        if kind == b'Q' { String::from_utf8_lossy(body).trim_end_matches('\0').to_owned() } else { String::new() };
    let commits = kind == b'Q' && text == "COMMIT";
    shared.seen.lock().unwrap().push(format!("{} {text}", char::from(kind)));
    commits && shared.lose_commit_answer.swap(false, Ordering::SeqCst)
}
