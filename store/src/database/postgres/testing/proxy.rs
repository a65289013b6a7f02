//! A proxy between a store and its server, which loses what a test wants to be lost.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::database::PostgresAddress;

/// What becomes of the next commit that comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Pass,
    /// It reaches the server, and the connection is cut before its answer comes back.
    LoseTheAnswer,
    /// It is kept here, and the connection of whoever sent it is cut.
    KeepTheCommit,
    /// Nothing passes any more, in either direction.
    Stall,
}

/// A commit, and the connection that waits for it.
type Kept = (TcpStream, Vec<u8>);

pub(crate) struct Proxy {
    port: u16,
    plan: watch::Sender<Plan>,
    kept: Arc<Mutex<Vec<Kept>>>,
}

impl Proxy {
    pub(crate) async fn to(server: &PostgresAddress) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, server)
    }

    pub(crate) fn on(listener: TcpListener, server: &PostgresAddress) -> Self {
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            plan: watch::Sender::new(Plan::Pass),
            kept: Arc::default(),
        };

        let (plan, kept) = (proxy.plan.clone(), Arc::clone(&proxy.kept));
        let (host, port) = server.host_and_port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
                let passing = Passing {
                    client,
                    server,
                    plan: plan.clone(),
                    kept: Arc::clone(&kept),
                };
                tokio::spawn(passing.run());
            }
        });
        proxy
    }

    /// Where the server is behind this.
    pub(crate) fn address(&self, server: &PostgresAddress) -> PostgresAddress {
        server.at_port(self.port)
    }

    pub(crate) fn plan(&self, plan: Plan) {
        self.plan.send_replace(plan);
    }

    /// A network that was cut may deliver later what it holds.
    pub(crate) async fn deliver_what_was_kept(&self) {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap());
        assert!(!kept.is_empty(), "no commit came by");
        for (mut server, commit) in kept {
            // The server may have ended the session.
            let _ = server.write_all(&commit).await;
            let mut answer = Vec::new();
            let _ = server.read_to_end(&mut answer).await;
        }
    }
}

struct Passing {
    client: TcpStream,
    server: TcpStream,
    plan: watch::Sender<Plan>,
    kept: Arc<Mutex<Vec<Kept>>>,
}

impl Passing {
    async fn run(mut self) {
        let (mut up, mut down) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        loop {
            let mut passes = self.plan.subscribe();
            let _ = passes.wait_for(|plan| *plan != Plan::Stall).await;

            let stalled = async { passes.wait_for(|plan| *plan == Plan::Stall).await.is_ok() };
            tokio::select! {
                _ = stalled => {}
                read = self.client.read(&mut up) => {
                    let Some(sent) = read.ok().filter(|read| *read > 0) else { return };
                    let sent = &up[..sent];
                    let is_commit = sent.windows(7).any(|bytes| bytes == b"COMMIT\0");
                    let plan = *self.plan.borrow();
                    match plan {
                        Plan::LoseTheAnswer if is_commit => {
                            self.server.write_all(sent).await.unwrap();
                            let _ = self.server.read(&mut down).await;
                            self.plan.send_replace(Plan::Pass);
                            return;
                        }
                        Plan::KeepTheCommit if is_commit => {
                            let sent = sent.to_vec();
                            self.kept.lock().unwrap().push((self.server, sent));
                            self.plan.send_replace(Plan::Pass);
                            return;
                        }
                        _ => {
                            if self.server.write_all(sent).await.is_err() { return }
                        }
                    }
                }
                read = self.server.read(&mut down) => {
                    let Some(told) = read.ok().filter(|read| *read > 0) else { return };
                    if self.client.write_all(&down[..told]).await.is_err() { return }
                }
            }
        }
    }
}
