//! The HTTP server: sockets, workers, time limits and its orderly end.

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::Data;
use actix_web::{App, HttpServer};

use super::{Api, routes};
use crate::config::Config;
use crate::shutdown::{self, Shutdown};

/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests may take to end when the node does: below the 15 s within which it must have ended.
const DRAIN_SECONDS: u64 = 10;
const BACKLOG: u32 = 2048;

/// A server that has its sockets.
pub struct Listening {
    /// Runs until the shutdown is requested and the requests under way have ended.
    pub server: Server,
    /// Where it listens; a port 0 in the configuration has become a real one.
    pub addresses: Vec<SocketAddr>,
}

/// Binds the configured address. Called inside the actix system; the server runs when it is awaited.
///
/// # Errors
/// When the address cannot be bound.
pub fn listen(api: Data<Api>, config: &Config, shutdown: Shutdown) -> io::Result<Listening> {
    let server = HttpServer::new(move || App::new().app_data(api.clone()).configure(routes))
        .workers(config.http_workers)
        .backlog(BACKLOG)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .tcp_nodelay(true)
        .shutdown_timeout(DRAIN_SECONDS)
        .shutdown_signal(shutdown::requested(shutdown))
        .bind(config.listen)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {}: {error}", config.listen)))?;
    let addresses = server.addrs();
    Ok(Listening { server: server.run(), addresses })
}
