//! Free ports on the loopback address.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context as _, bail};

/// Some port that is free now.
pub fn free() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

/// `wanted` when given (an error when it is taken), else `usual` when it is not 0 and free, else any.
pub fn choose(wanted: Option<u16>, usual: u16) -> anyhow::Result<u16> {
    match wanted {
        Some(port) if is_free(port) => Ok(port),
        Some(port) => bail!("port {port} is taken by another program; choose another with --port, or none"),
        None if usual != 0 && is_free(usual) => Ok(usual),
        None => free(),
    }
}

fn is_free(port: u16) -> bool {
    // Binding alone can succeed beside a listener on all addresses; nobody may answer either.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).is_ok() && std::net::TcpStream::connect(address).is_err()
}
