//! The HTTP server: sockets, workers, time limits and its orderly end.

mod connection;
mod connections;
#[cfg(test)]
mod tests;
mod unparsed;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use anyhow::anyhow;
use tokio::net::{TcpListener, TcpSocket};

use self::connection::{LINGER, Patience, Stream};
use self::connections::Connections;
use super::{Api, application};
use crate::config::{Config, reason};
use crate::shutdown::{self, Shutdown};

pub use self::connection::Under;

/// How long requests may take to end when the node does: they are answered within 5 s. Before that
/// shards may take 5 s to move, and all of it must be over within 15 s.
const DRAIN_SECONDS: u64 = 6;
/// Sockets of one worker thread that have not been given a place yet, or no longer have one.
const ON_THEIR_WAY: usize = 2;
const BACKLOG: u32 = 2048;

/// The configured address, taken for this process. Nobody can connect before [`listen`].
pub struct Bound {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Bound {
    /// Where it will listen; a port 0 in the configuration has become a real one.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
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
    let refused = |error| not_to_be_had(address, &error);
    let listener = listening.map_err(refused)?;
    let listens_at = listener.local_addr().map_err(refused)?;

    let bounds = Bounds::of(config);
    let ending = shutdown.clone();
    let serves = move || serve(api.clone(), bounds, ending.clone());
    let server = actix_server::Server::build()
        .workers(config.http_workers)
        // The bound on connections is ours, and comes before this one, behind which newcomers wait.
        .max_concurrent_connections(connections::most(bounds.connections) + ON_THEIR_WAY)
        .shutdown_timeout(DRAIN_SECONDS)
        .shutdown_signal(shutdown::requested(shutdown))
        .listen("http", listener, serves)
        .map_err(refused)?;

    Ok(Listening {
        server: server.run(),
        addresses: vec![listens_at],
    })
}

/// The bounds on connections of one worker thread.
#[derive(Clone, Copy)]
struct Bounds {
    connections: usize,
    patience: Patience,
}

impl Bounds {
    fn of(config: &Config) -> Self {
        Bounds {
            connections: config.max_connections.div_ceil(config.http_workers),
            patience: Patience {
                idle: config.keep_alive,
                receive: config.receive_timeout,
            },
        }
    }
}

/// What one worker thread does with the sockets that it is given.
fn serve(
    api: Data<Api>,
    bounds: Bounds,
    shutdown: Shutdown,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
{
    let Patience { idle, receive } = bounds.patience;
    let connections = Connections::new(bounds.connections, bounds.patience);

    let http = HttpService::build()
        .keep_alive(idle)
        .client_request_timeout(receive)
        .client_disconnect_timeout(LINGER.min(receive))
        // A client that has closed its end has gone: the server drops what it waited for at once.
        .h1_allow_half_closed(false)
        .graceful_shutdown_signal(move || shutdown::requested(shutdown.clone()))
        .on_connect_ext(|stream: &Stream, data| {
            data.insert(Rc::new(stream.under()));
        })
        .h1(map_config(application(api), |()| AppConfig::default()));

    fn_service(move |socket| {
        let connections = Rc::clone(&connections);
        async move { let_in(&connections, socket) }
    })
    .and_then(http)
}

/// Gives a socket its place among the connections.
fn let_in(
    connections: &Rc<Connections>,
    socket: TcpStream,
) -> Result<(Stream, Option<SocketAddr>), DispatchError> {
    let peer = socket.peer_addr().ok();
    // Answers are small, and written as a whole. A socket that is gone already shows it later.
    let _ = socket.set_nodelay(true);

    let stream = connections.enter(socket);
    let full = || DispatchError::Io(io::ErrorKind::ConnectionRefused.into());
    Ok((stream.ok_or_else(full)?, peer))
}

fn not_to_be_had(address: SocketAddr, error: &io::Error) -> anyhow::Error {
    anyhow!(
        "listen (COUNTERFOIL_LISTEN) is \"{address}\" and cannot be listened on: {}; \
         allowed: an address and port of this machine that is free",
        reason(error)
    )
}
