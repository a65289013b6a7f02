//! Servers for one test alone, which may crash and stall them: a MongoDB and an Elasticsearch, or a
//! PostgreSQL, with a standby where that is the point, and a Kafka.
//!
//! They are the servers of `.ci/services`, on ports and in a folder of their own, so that nobody
//! else notices. They end with the value that holds them.

use std::fmt;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::ViewStores;
use crate::small_disk::SmallDisk;

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

/// Servers, running.
pub struct OwnServers<S: OwnServer = Server> {
    folder: TempDir,
    ports: Vec<(S, u16)>,
    /// The port of the PostgreSQL of which they have a standby.
    standby_of: Option<u16>,
    /// What the PostgreSQL lies on, where that is small.
    disk: Option<SmallDisk>,
    _alone: Option<MutexGuard<'static, ()>>,
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

    /// The same, with the PostgreSQL on a disk that can be [filled](OwnServers::fill_disk). Needs
    /// root.
    pub async fn of_nodes_on_a_small_disk() -> Self {
        let alone = ALONE.lock().await;
        let mut servers = Self::new([], None, Some(alone)).await;
        let folder = servers.folder.path().join(NodeServer::Postgres.name());
        servers.disk = Some(SmallDisk::at(folder));
        for server in [NodeServer::Postgres, NodeServer::Kafka] {
            servers.ports.push((server, free_port()));
            servers.up(server).await;
        }
        servers
    }

    /// PostgreSQL can write nothing more.
    pub fn fill_disk(&self) {
        self.disk.as_ref().expect("it is small").fill();
    }

    /// It can write again.
    pub fn free_disk(&self) {
        self.disk.as_ref().expect("it is small").free();
    }

    /// Starts a standby of the PostgreSQL, for which its commits wait from now on.
    pub async fn standby(&self) -> Self {
        let primary = self.port(NodeServer::Postgres);
        let standby = Self::new([NodeServer::Postgres], Some(primary), None).await;
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
            .await;
        self.sql("SELECT pg_reload_conf()").await;
        standby
    }

    /// The standby takes over, and writes.
    pub async fn take_over(&self) {
        self.sql("SELECT pg_promote()").await;
    }

    async fn sql(&self, statement: &str) {
        let server = Database::connect(format!("{}/postgres", self.postgres())).await;
        let server = server.expect("the server answers");
        let done = server.execute_unprepared(statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
        server.close().await.expect("it was open");
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
        Self::new(both, None, Some(alone)).await
    }

    async fn new(
        servers: impl IntoIterator<Item = S>,
        standby_of: Option<u16>,
        alone: Option<MutexGuard<'static, ()>>,
    ) -> Self {
        // where the whole run has its servers, if it has some: then whoever ends the run ends
        // these, too
        let parent = std::env::var_os("COUNTERFOIL_SERVICES_DIR")
            .map_or_else(std::env::temp_dir, PathBuf::from);

        let folder = tempfile::Builder::new()
            .prefix("own-")
            .tempdir_in(parent)
            .expect("a temporary folder");

        let ports = servers.into_iter().map(|server| (server, free_port()));
        let own = Self {
            folder,
            ports: ports.collect(),
            standby_of,
            disk: None,
            _alone: alone,
        };
        for (server, _) in &own.ports {
            own.up(*server).await;
        }

        own
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

    fn script_for_all(&self, action: &str) -> Command {
        let names = self.ports.iter().map(|(server, _)| server.name());
        let all: Vec<_> = std::iter::once(action).chain(names).collect();
        self.script(&all)
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
            .envs(self.ports.iter().map(|(server, port)| {
                let variable = format!("{}_PORT", server.name().to_uppercase());
                (variable, port.to_string())
            }))
            .envs(
                self.standby_of
                    .map(|port| ("POSTGRES_STANDBY_OF", port.to_string())),
            )
            .stdin(Stdio::null());
        command
    }
}

impl<S: OwnServer> Drop for OwnServers<S> {
    fn drop(&mut self) {
        let _ = self.script_for_all("kill").output();
        self.disk = None;
        let ended = self.script_for_all("reset").output();

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
