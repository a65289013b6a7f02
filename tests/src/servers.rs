//! A MongoDB and an Elasticsearch for one test alone, which may crash and stall them.
//!
//! They are the servers of `.ci/services`, on ports and in a folder of their own, so that nobody
//! else notices. They end with the value that holds them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::ViewStores;

/// Elasticsearch takes a second port this far above its first one.
const TRANSPORT: u16 = 100;

/// One pair of servers at a time: they are large.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Which of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// It keeps the documents.
    MongoDb,
    /// It keeps the search view.
    Elasticsearch,
}

impl Server {
    fn name(self) -> &'static str {
        match self {
            Server::MongoDb => "mongodb",
            Server::Elasticsearch => "elasticsearch",
        }
    }
}

/// Both servers, running.
pub struct OwnServers {
    folder: TempDir,
    mongodb_port: u16,
    elasticsearch_port: u16,
    _alone: MutexGuard<'static, ()>,
}

impl OwnServers {
    /// Starts both, and waits until they are ready.
    pub async fn start() -> Self {
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
            mongodb_port: free_port(),
            elasticsearch_port: free_port(),
            _alone: alone,
        };
        servers.up(Server::MongoDb).await;
        servers.up(Server::Elasticsearch).await;

        servers
    }

    /// For nodes that have their views here.
    pub fn stores(&self) -> ViewStores {
        ViewStores::Servers {
            mongodb: format!("mongodb://127.0.0.1:{}/?replicaSet=rs0", self.mongodb_port),
            elasticsearch: format!("http://127.0.0.1:{}", self.elasticsearch_port),
        }
    }

    /// Starts a server again, on the data it had, and waits until it is ready.
    pub async fn up(&self, server: Server) {
        self.run("up", server).await;
    }

    /// `kill -9`.
    pub async fn kill(&self, server: Server) {
        self.run("kill", server).await;
    }

    /// Stalls a server: it keeps its connections and answers nothing.
    pub async fn pause(&self, server: Server) {
        self.run("pause", server).await;
    }

    /// Lets it go on after [`OwnServers::pause`].
    pub async fn resume(&self, server: Server) {
        self.run("resume", server).await;
    }

    async fn run(&self, action: &str, server: Server) {
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
            .env("MONGODB_PORT", self.mongodb_port.to_string())
            .env("ELASTICSEARCH_PORT", self.elasticsearch_port.to_string())
            .stdin(Stdio::null());
        command
    }
}

impl Drop for OwnServers {
    fn drop(&mut self) {
        let ended = self
            .script(&[
                "reset",
                Server::MongoDb.name(),
                Server::Elasticsearch.name(),
            ])
            .output();

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

/// A port that nobody uses, nor the one above it, below those that the system gives to connections.
fn free_port() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let random =
        || 20_000 + u16::try_from(Uuid::new_v4().as_u128() % 12_000).expect("below 12,000");
    std::iter::repeat_with(random)
        .find(|port| free(*port) && free(port + TRANSPORT))
        .expect("a free port")
}
