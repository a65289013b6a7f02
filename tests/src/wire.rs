//! A wire between a node and a server that a test can cut, while others reach the server still.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// A wire to a server, as long as the value lives.
pub struct Wire {
    port: u16,
    server: Arc<Mutex<String>>,
    connections: Arc<Mutex<Connections>>,
    listening: AbortHandle,
}

#[derive(Default)]
struct Connections {
    is_cut: bool,
    open: Vec<AbortHandle>,
}

impl Wire {
    /// A wire to the server at `url`, which is of the form `http://HOST:PORT` or `HOST:PORT`.
    pub async fn to(url: &str) -> Self {
        let server = Arc::new(Mutex::new(url.trim_start_matches("http://").to_owned()));
        let led_to = Arc::clone(&server);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();

        let connections = Arc::new(Mutex::new(Connections::default()));
        let of_wire = Arc::clone(&connections);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut connections = lock(&of_wire);
                // Whoever comes to a wire that is cut is hung up on.
                if !connections.is_cut {
                    let passing = tokio::spawn(pass(stream, lock(&led_to).clone()));
                    connections.open.push(passing.abort_handle());
                }
            }
        });
        Self {
            port,
            server,
            connections,
            listening: listening.abort_handle(),
        }
    }

    /// Where the server is, by this wire.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// New connections go to another server, `HOST:PORT`. Those that there are end.
    pub fn lead_to(&self, server: String) {
        *lock(&self.server) = server;
        lock(&self.connections).hang_up();
    }

    /// Nothing passes any more.
    pub fn cut(&self) {
        let mut connections = lock(&self.connections);
        connections.is_cut = true;
        connections.hang_up();
    }

    /// New connections pass again.
    pub fn mend(&self) {
        lock(&self.connections).is_cut = false;
    }
}

impl Connections {
    fn hang_up(&mut self) {
        for connection in self.open.drain(..) {
            connection.abort();
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listening.abort();
        lock(&self.connections).hang_up();
    }
}

async fn pass(mut client: TcpStream, server: String) {
    if let Ok(mut server) = TcpStream::connect(server).await {
        // However it ends, both sides see it.
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
