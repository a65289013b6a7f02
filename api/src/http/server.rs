//! The HTTP server: sockets, workers, time limits and its orderly end.

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use anyhow::anyhow;
use tokio::net::{TcpListener, TcpSocket};

use super::{Api, connections, routes};
use crate::config::{Config, reason};
use crate::shutdown::{self, Shutdown};

/// The server closes connections that are idle for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests may take to end when the node does: below the 15 s within which it must have
/// ended.
const DRAIN_SECONDS: u64 = 10;
const BACKLOG: u32 = 2048;

/// The configured address, taken for this process. Nobody can connect before [`listen`].
pub struct Bound {
    socket: TcpSocket,
    address: SocketAddr,
}

/// A server that has its sockets.
pub struct Listening {
    /// Runs until the shutdown is requested and the requests under way have ended.
    pub server: Server,
    /// Where it listens; a port 0 in the configuration has become a real one.
    pub addresses: Vec<SocketAddr>,
}

/// Takes the configured address.
///
/// # Errors
/// When the address cannot be taken: one line that names the setting, its value and what is
/// allowed.
pub fn bind(config: &Config) -> anyhow::Result<Bound> {
    let address = config.listen;
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    };

    let bound = socket.and_then(|socket| {
        // Connections of a node that has just ended may still be around.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    });

    Ok(Bound {
        socket: bound.map_err(|error| not_to_be_had(address, &error))?,
        address,
    })
}

/// Listens on the address. Called inside the actix system; the server runs when it is awaited.
///
/// # Errors
/// When another process listens there after all.
pub fn listen(
    api: Data<Api>,
    bound: Bound,
    config: &Config,
    shutdown: Shutdown,
) -> anyhow::Result<Listening> {
    let Bound { socket, address } = bound;
    let listening = socket.listen(BACKLOG).and_then(TcpListener::into_std);
    let listener = listening.map_err(|error| not_to_be_had(address, &error))?;

    let server = HttpServer::new(move || App::new().app_data(api.clone()).configure(routes))
        .workers(config.http_workers)
        .on_connect(connections::count)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        // A client that has closed its end has gone: the server drops what it waited for at once.
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .shutdown_timeout(DRAIN_SECONDS)
        .shutdown_signal(shutdown::requested(shutdown))
        .listen(listener)
        .map_err(|error| not_to_be_had(address, &error))?;
    let addresses = server.addrs();

    Ok(Listening {
        server: server.run(),
        addresses,
    })
}

fn not_to_be_had(address: SocketAddr, error: &io::Error) -> anyhow::Error {
    anyhow!(
        "listen (COUNTERFOIL_LISTEN) is \"{address}\" and cannot be listened on: {}; \
         allowed: an address and port of this machine that is free",
        reason(error)
    )
}
