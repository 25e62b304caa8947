//! A proxy that misbehaves: between the functions and the database, and between them and their queue.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// Every connection breaks, and no new one comes through.
    Down,
    /// What the client sends gets lost; nobody is told.
    LoseRequests,
    /// What the server answers gets lost; nobody is told.
    LoseAnswers,
}

/// Forwards until it is dropped.
pub struct Proxy {
    pub port: u16,
    mode: Arc<watch::Sender<Mode>>,
    listening: JoinHandle<()>,
}

impl Proxy {
    pub async fn before(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let mode = Arc::new(watch::Sender::new(Mode::Pass));
        let watching = Arc::clone(&mode);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target, watching.subscribe()));
            }
        });
        Ok(Self { port, mode, listening })
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn forward(client: TcpStream, target: SocketAddr, mode: watch::Receiver<Mode>) {
    if *mode.borrow() == Mode::Down {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let mut down = mode.clone();
    // The first to end breaks the connection, both ways.
    tokio::select! {
        () = copy(from_client, to_server, mode.clone(), Mode::LoseRequests) => {}
        () = copy(from_server, to_client, mode, Mode::LoseAnswers) => {}
        _ = down.wait_for(|mode| *mode == Mode::Down) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mode: watch::Receiver<Mode>, losing: Mode) {
    let mut buffer = vec![0; 64 * 1024];
    // A connection that lost something never gets better: the other side waits for exactly that.
    let mut lost = false;
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        lost |= *mode.borrow() == losing;
        if !lost && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
