//! A way to a server that can be cut, slow, or dead silent, whatever protocol goes through it. ([`Proxy`](crate::Proxy) knows
//! PostgreSQL's.)

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Every connection breaks, and no new one comes through.
    Cut,
    /// Takes what the client sends, on new connections as well, and passes nothing on.
    Silent,
    /// What the server answers comes so much later.
    Slow(Duration),
}

/// Forwards to a server, until the test ends.
pub struct Relay {
    pub port: u16,
    way: watch::Sender<Way>,
    breaks: watch::Sender<()>,
    requests: Arc<AtomicUsize>,
}

impl Relay {
    pub async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, breaks) = (watch::Sender::new(Way::Open), watch::Sender::new(()));
        let requests = Arc::new(AtomicUsize::new(0));
        let (ways, broken, counted) = (way.subscribe(), breaks.subscribe(), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut broken = broken.clone();
                broken.mark_unchanged();
                let forwarding = forward(client, target, ways.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    tokio::select! {
                        () = forwarding => {}
                        _ = broken.changed() => {}
                    }
                });
            }
        });
        Self { port, way, breaks, requests }
    }

    /// Breaks the connections that there are. New ones go as before.
    pub fn break_connections(&self) {
        self.breaks.send_replace(());
    }

    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// How many HTTP requests began so far, those that were not passed on too.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn forward(client: TcpStream, target: SocketAddr, way: watch::Receiver<Way>, requests: Arc<AtomicUsize>) {
    if *way.borrow() == Way::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let mut cut = way.clone();
    let there = async {
        let mut sent = vec![0; 65_536];
        while let Ok(count @ 1..) = from_client.read(&mut sent).await {
            let begins = [b"GET ".as_slice(), b"HEAD", b"POST", b"PUT "].iter().any(|verb| sent.starts_with(verb));
            requests.fetch_add(usize::from(begins), Ordering::SeqCst);
            let silent = *way.borrow() == Way::Silent;
            if !silent && to_server.write_all(&sent[..count]).await.is_err() {
                return;
            }
        }
    };
    let back = async {
        let mut received = vec![0; 65_536];
        while let Ok(count @ 1..) = from_server.read(&mut received).await {
            let now = *way.borrow();
            if let Way::Slow(delay) = now {
                sleep(delay).await;
            }
            if to_client.write_all(&received[..count]).await.is_err() {
                return;
            }
        }
    };
    // The first to end breaks the connection, both ways.
    tokio::select! {
        () = there => {}
        () = back => {}
        _ = cut.wait_for(|way| *way == Way::Cut) => {}
    }
}
