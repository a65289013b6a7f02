//! Servers for one test alone, which may crash and stall them: a MongoDB and an Elasticsearch, or a
//! PostgreSQL and a Kafka.
//!
//! They are the servers of `.ci/services`, on ports and in a folder of their own, so that nobody
//! else notices. They end with the value that holds them.

use std::fmt;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::ViewStores;

/// Elasticsearch takes a second port this far above its first one, and Kafka the next one.
const SECOND_PORTS: [u16; 2] = [100, 1];

/// One pair of servers at a time: they are large.
static ALONE: Mutex<()> = Mutex::const_new(());

/// One of two servers that a test has together.
pub trait OwnServer: Copy + fmt::Debug + PartialEq {
    /// Its name in `.ci/services`.
    fn name(self) -> &'static str;
}

/// A server that keeps views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// It keeps the documents.
    MongoDb,
    /// It keeps the search view.
    Elasticsearch,
}

impl OwnServer for Server {
    fn name(self) -> &'static str {
        match self {
            Server::MongoDb => "mongodb",
            Server::Elasticsearch => "elasticsearch",
        }
    }
}

/// A server that nodes need to work beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeServer {
    /// It keeps the services' databases.
    Postgres,
    /// It carries messages between nodes.
    Kafka,
}

impl OwnServer for NodeServer {
    fn name(self) -> &'static str {
        match self {
            NodeServer::Postgres => "postgres",
            NodeServer::Kafka => "kafka",
        }
    }
}

/// Two servers, running.
pub struct OwnServers<S: OwnServer = Server> {
    folder: TempDir,
    ports: [(S, u16); 2],
    _alone: MutexGuard<'static, ()>,
}

impl OwnServers<Server> {
    /// Starts both, and waits until they are ready.
    pub async fn start() -> Self {
        Self::of([Server::MongoDb, Server::Elasticsearch]).await
    }

    /// For nodes that have their views here.
    pub fn stores(&self) -> ViewStores {
        ViewStores::Servers {
            mongodb: format!(
                "mongodb://127.0.0.1:{}/?replicaSet=rs0",
                self.port(Server::MongoDb)
            ),
            elasticsearch: format!("http://127.0.0.1:{}", self.port(Server::Elasticsearch)),
        }
    }
}

impl OwnServers<NodeServer> {
    /// Starts both, and waits until they are ready.
    pub async fn of_nodes() -> Self {
        Self::of([NodeServer::Postgres, NodeServer::Kafka]).await
    }

    /// For nodes that have their databases here.
    pub fn postgres(&self) -> String {
        let port = self.port(NodeServer::Postgres);
        format!("postgres://counterfoil@127.0.0.1:{port}")
    }

    /// For nodes whose messages go through here.
    pub fn kafka(&self) -> String {
        format!("kafka://127.0.0.1:{}", self.port(NodeServer::Kafka))
    }
}

impl<S: OwnServer> OwnServers<S> {
    async fn of(both: [S; 2]) -> Self {
        let alone = ALONE.lock().await;
        // where the whole run has its servers, if it has some: then whoever ends the run ends
        // these, too
        let parent = std::env::var_os("COUNTERFOIL_SERVICES_DIR")
            .map_or_else(std::env::temp_dir, PathBuf::from);

        let folder = tempfile::Builder::new()
            .prefix("own-")
            .tempdir_in(parent)
            .expect("a temporary folder");

        let servers = Self {
            folder,
            ports: both.map(|server| (server, free_port())),
            _alone: alone,
        };
        for server in both {
            servers.up(server).await;
        }

        servers
    }

    fn port(&self, server: S) -> u16 {
        let found = self.ports.iter().find(|(own, _)| *own == server);
        found.expect("it is one of these").1
    }

    /// Starts a server again, on the data it had, and waits until it is ready.
    pub async fn up(&self, server: S) {
        self.run("up", server).await;
    }

    /// `kill -9`.
    pub async fn kill(&self, server: S) {
        self.run("kill", server).await;
    }

    /// Stalls a server: it keeps its connections and answers nothing.
    pub async fn pause(&self, server: S) {
        self.run("pause", server).await;
    }

    /// Lets it go on after [`OwnServers::pause`].
    pub async fn resume(&self, server: S) {
        self.run("resume", server).await;
    }

    async fn run(&self, action: &str, server: S) {
        let mut command = tokio::process::Command::from(self.script(&[action, server.name()]));
        // its servers live on, and would hold a pipe open
        let log = self.folder.path().join("script.log");

        let log = std::fs::File::create(&log).expect("a log file");

        let ended = command
            .stdout(Stdio::null())
            .stderr(log)
            .status()
            .await
            .expect("the script runs");

        assert!(
            ended.success(),
            "services {action} {server:?}: {ended}: {}",
            self.script_log()
        );
    }

    fn script_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("script.log")).unwrap_or_default()
    }

    fn script(&self, arguments: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/services/services");
        let mut command = Command::new(script);
        command
            .args(arguments)
            .env("COUNTERFOIL_SERVICES_DIR", self.folder.path())
            .envs(self.ports.map(|(server, port)| {
                let variable = format!("{}_PORT", server.name().to_uppercase());
                (variable, port.to_string())
            }))
            .stdin(Stdio::null());
        command
    }
}

impl<S: OwnServer> Drop for OwnServers<S> {
    fn drop(&mut self) {
        let [(one, _), (other, _)] = self.ports;
        let ended = self.script(&["reset", one.name(), other.name()]).output();

        if !ended
            .as_ref()
            .is_ok_and(|Output { status, .. }| status.success())
        {
            eprintln!(
                "the servers in {} stay behind: {ended:?}",
                self.folder.path().display()
            );
        }
    }
}

/// A port that nobody uses, nor those above it that a server takes as well, below those that the system gives to connections.
fn free_port() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let random =
        || 20_000 + u16::try_from(Uuid::new_v4().as_u128() % 12_000).expect("below 12,000");
    std::iter::repeat_with(random)
        .find(|port| free(*port) && SECOND_PORTS.iter().all(|above| free(port + above)))
        .expect("a free port")
}
