//! A node under test: the real binary as a process, on a free port and a data folder of its own.
//!
//! Nodes have their views and databases where the run of the tests wants them ([`ViewStores`]), and
//! run with the defaults besides unless a test says otherwise. Only a few run at once, whatever the
//! number of test threads. A node ends with the value that holds it; when a test fails, the end of
//! the node's log is printed.

mod faults;

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::beside::{self, Tokens};
use crate::binary::Release;
use crate::databases::Databases;
use crate::network::Network;
use crate::stores::Tenancy;
use crate::{Api, Cli, ViewStores, cli, coordination, eventually_within, loading};

/// What the contract grants a node between `SIGTERM` and its end.
const TERMINATION_BOUND: Duration = Duration::from_secs(15);
/// Beyond what a busy machine takes to make the indices of a view, or to end what runs.
const READY_BOUND: Duration = Duration::from_secs(60);
/// A free port may be taken by somebody else before the node binds it.
const PORT_ATTEMPTS: usize = 5;
const LOG_LINES_SHOWN: usize = 60;

static RUNNING_NODES: Semaphore = Semaphore::const_new(4);

/// A running node, or one that was killed and can start again; ends when it is dropped.
pub struct Node {
    process: Option<Child>,
    url: String,
    folder: TempDir,
    env: Vec<(String, String)>,
    /// Dropped after the process, which would make anew what this removes.
    tenancy: Arc<Tenancy>,
    databases: Arc<Databases>,
    /// What makes it one of several processes.
    among_others: Vec<(String, String)>,
    /// The other processes, where a node is several: what happens to it happens to them.
    beside: Vec<Node>,
    tokens: Arc<Tokens>,
    release: Release,
    /// Where it is cut off from others.
    network: Option<Network>,
    _slot: Option<SemaphorePermit<'static>>,
}

impl Node {
    /// A node with the default settings, ready.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A node with these environment variables, ready.
    pub async fn start_with(env: &[(&str, &str)]) -> Self {
        Self::start_on(ViewStores::of_this_run(), env).await
    }

    /// The same with its views in certain stores, whatever the run is about.
    pub async fn start_on(stores: ViewStores, env: &[(&str, &str)]) -> Self {
        let mut node = Self::prepared(stores).await;
        node.restart_with(env).await;
        node
    }

    /// A node that has not started yet, with its views in certain stores.
    pub async fn prepared(stores: ViewStores) -> Self {
        let processes = beside::of_this_run();
        let slot = RUNNING_NODES
            .acquire_many(if processes == 1 { 1 } else { 2 })
            .await
            .expect("the semaphore is never closed");

        let tenancy = Arc::new(Tenancy::of(stores));
        if processes == 1 {
            let databases = Databases::of_this_run().await;
            return Self::placed(Some(slot), tenancy, Arc::new(databases));
        }

        let databases = Arc::new(Databases::on_server().await);
        let one_of = |number| {
            let mut node = Self::placed(None, Arc::clone(&tenancy), Arc::clone(&databases));
            node.among_others = beside::settings(tenancy.namespace(), number);
            node
        };
        let mut node = one_of(1);
        node.beside = (2..=processes).map(one_of).collect();
        node._slot = Some(slot);
        node
    }

    fn placed(
        slot: Option<SemaphorePermit<'static>>,
        tenancy: Arc<Tenancy>,
        databases: Arc<Databases>,
    ) -> Self {
        Self {
            process: None,
            url: String::new(),
            folder: tempfile::tempdir().expect("a temporary folder"),
            env: Vec::new(),
            tenancy,
            databases,
            among_others: Vec::new(),
            beside: Vec::new(),
            tokens: Arc::default(),
            release: Release::This,
            network: None,
            _slot: slot,
        }
    }

    /// Nodes that have not started yet, on the same databases. Embedded views are each one's own.
    pub(crate) async fn prepared_together(
        databases: &Arc<Databases>,
        stores: ViewStores,
        nodes: u32,
    ) -> Vec<Self> {
        // All places at once: two clusters that each have a few would wait for each other for ever.
        let mut slots = RUNNING_NODES
            .acquire_many(nodes)
            .await
            .expect("the semaphore is never closed");

        let tenancy = Arc::new(Tenancy::of(stores));
        let prepared = (0..nodes).map(|_| {
            let slot = slots.split(1).expect("there is one for each");
            Self::placed(Some(slot), Arc::clone(&tenancy), Arc::clone(databases))
        });
        prepared.collect()
    }

    /// Starts the node again on the same data, after [`Node::kill`] or [`Node::terminate`].
    pub async fn restart(&mut self) {
        self.restart_until(200).await;
    }

    /// Gives the node a place of its own on the servers of its views, if they are on servers: a
    /// restored deployment is another one, and leaves the views of the former alone.
    pub fn take_new_view_stores(&mut self) {
        self.tenancy = Arc::new(self.tenancy.another());
        for node in &mut self.beside {
            node.tenancy = Arc::clone(&self.tenancy);
        }
    }

    /// Starts the node again and waits until it listens and says that it is not ready.
    pub async fn restart_unready(&mut self) {
        self.restart_until(503).await;
    }

    async fn restart_until(&mut self, readiness: u16) {
        for _ in 0..PORT_ATTEMPTS {
            self.begin_restart();
            if self.becomes(readiness).await {
                return;
            }
        }

        panic!(
            "no free port in {PORT_ATTEMPTS} attempts: {}",
            self.log_tail()
        );
    }

    /// Waits until the node is ready, which has begun to start.
    pub async fn is_ready(&mut self) {
        assert!(self.becomes(200).await, "the port is somebody else's");
    }

    /// Starts the process and does not wait for it.
    pub fn begin_restart(&mut self) {
        assert!(self.process.is_none(), "the node is still running");
        let port = free_port();
        self.url = format!("http://{}:{port}", self.host());
        self.process = Some(self.spawn(port));
        self.beside.iter_mut().for_each(Node::begin_restart);
    }

    /// From its next start on it runs this release.
    pub fn take_release(&mut self, release: Release) {
        self.release = release;
    }

    /// From its next start on it is in a network of its own.
    pub(crate) fn take_network(&mut self) {
        self.network = Some(Network::new());
    }

    fn host(&self) -> String {
        let network = self.network.as_ref();
        network.map_or_else(|| "127.0.0.1".to_owned(), Network::within)
    }

    /// The same with other environment variables in place of the former ones.
    pub async fn restart_with(&mut self, env: &[(&str, &str)]) {
        self.set_environment(env);
        self.restart().await;
    }

    /// From its next start on, the node has these environment variables in place of the former
    /// ones.
    pub fn set_environment(&mut self, env: &[(&str, &str)]) {
        self.env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        for node in &mut self.beside {
            node.set_environment(env);
        }
    }

    /// What the names of what it has on servers begin with.
    pub(crate) fn namespace(&self) -> &str {
        self.tenancy.namespace()
    }

    /// Where it listens; a restart changes the port.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client for the calling test. After a restart the node is at another port: ask again.
    pub fn api(&self) -> Api {
        if self.beside.is_empty() {
            return Api::new(&self.url);
        }
        let beside = self.beside.iter().map(|node| node.url.as_str());
        let urls: Vec<_> = std::iter::once(self.url.as_str()).chain(beside).collect();
        Api::of_several(&urls, Arc::clone(&self.tokens))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.process.as_ref().expect("the node runs"))
    }

    /// What the node has logged.
    pub fn log(&self) -> String {
        let own = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        self.beside.iter().fold(own, |log, node| log + &node.log())
    }

    /// The command line with this node's data and settings, without the faults injected into it
    /// and on the machine's own clock.
    pub fn cli(&self) -> Cli {
        let settings = self
            .env
            .iter()
            .filter(|(name, _)| name != "COUNTERFOIL_FAULTS" && name != "LD_PRELOAD")
            .cloned();
        let stores = self.tenancy.settings().into_iter();
        let of_the_run = stores.chain(self.databases.settings());
        let of_the_run = of_the_run
            .chain(coordination::settings())
            .chain(loading::settings())
            .chain(self.among_others.iter().cloned());
        let settings = of_the_run.chain(settings);
        settings.fold(Cli::new(self.folder.path()), |cli, (name, value)| {
            cli.env(&name, &value)
        })
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder that holds the data folder and the log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Nothing of the node's process runs, until it goes on.
    pub fn freeze(&self) {
        kill_process(self.pid(), Signal::STOP).expect("a signal can be sent to the node");
    }

    /// A frozen node goes on.
    pub fn goes_on(&self) {
        kill_process(self.pid(), Signal::CONT).expect("a signal can be sent to the node");
    }

    /// `SIGTERM` and nothing else: the node goes on to drain.
    pub fn ask_to_terminate(&self) {
        kill_process(self.pid(), Signal::TERM).expect("a signal can be sent to the node");
        self.beside.iter().for_each(Node::ask_to_terminate);
    }

    /// `SIGTERM`; asserts that the node exits 0 within 15 seconds.
    pub async fn terminate(&mut self) {
        self.ask_to_terminate();
        self.has_terminated().await;
    }

    /// Asserts that a node which was asked to terminate exits 0 within 15 seconds.
    pub async fn has_terminated(&mut self) {
        let ended = eventually_within(
            TERMINATION_BOUND,
            "the node ends after SIGTERM",
            async || self.ended(),
        )
        .await;
        assert!(
            ended.success(),
            "the node ended with {ended}: {}",
            self.log_tail()
        );
        self.process = None;
        for node in &mut self.beside {
            Box::pin(node.has_terminated()).await;
        }
    }

    /// Asserts that the node ends by itself, and with a failure.
    pub async fn fails(&mut self) {
        let ended = eventually_within(READY_BOUND, "the node ends", async || self.ended()).await;
        assert!(
            ended.code().is_some_and(|code| code != 0),
            "the node ended with {ended}: {}",
            self.log_tail()
        );
        self.process = None;
        for node in &mut self.beside {
            Box::pin(node.fails()).await;
        }
    }

    /// Whether its process runs, as far as anybody has looked.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// How its process has ended, when it has: then it can start again.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        let ended = self.ended()?;
        self.process = None;
        Some(ended)
    }

    /// Leaves the data folder and the log where they are, for whoever wants to look at them.
    pub fn keep_folder(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    fn spawn(&self, port: u16) -> Child {
        let log = || -> File {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.log_path())
                .expect("the node's log file")
        };

        let network = self.network.as_ref();
        let enter = network.map(Network::enter).into_iter().flatten();
        cli::node_command(self.release, self.folder.path(), enter)
            .env("COUNTERFOIL_LISTEN", format!("{}:{port}", self.host()))
            .env("COUNTERFOIL_LOG_FORMAT", "pretty")
            .env("NO_COLOR", "1")
            .envs(self.tenancy.settings())
            .envs(self.databases.settings())
            .envs(coordination::settings())
            .envs(loading::settings())
            .envs(self.among_others.iter().cloned())
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn()
            .expect("counterfoil starts")
    }

    /// Waits until `/health/ready` answers so; false when the port was taken by somebody else.
    async fn becomes(&mut self, readiness: u16) -> bool {
        let api = Api::new(&self.url);

        let ready = eventually_within(READY_BOUND, "the node listens", async || {
            if self.ended().is_some() {
                return Some(false);
            }
            let answer = api.get("/health/ready").answer().await;
            answer
                .is_ok_and(|answer| answer.status == readiness)
                .then_some(true)
        });

        if ready.await {
            for node in &mut self.beside {
                assert!(Box::pin(node.becomes(readiness)).await, "its port is taken");
            }
            return true;
        }

        self.process = None;

        let log = self.log_tail();
        assert!(
            log.to_lowercase().contains("in use"),
            "the node ended before it listened: {log}"
        );

        false
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.process
            .as_mut()?
            .try_wait()
            .expect("the node's state can be read")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("node.log")
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // it may have ended by itself; either way nothing is left running
            let _ = process.kill();
            let _ = process.wait();
        }
        if !self.beside.is_empty() {
            self.beside.clear();
            beside::clean(self.tenancy.namespace());
        }
        if std::thread::panicking() {
            eprintln!("--- the node's log ends with:\n{}", self.log_tail());
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
