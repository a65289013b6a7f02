//! A node of its own for a measurement: started with settings, asked, ended.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::de::DeserializeOwned;

use crate::load::connection::Connection;
use crate::load::options::{Options, Target};

/// A setting of the node: its environment variable and its value.
pub type Setting = (&'static str, &'static str);

const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A bulk request of many sagas takes its time.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);

/// A running node. Dropping it kills it.
#[derive(Debug)]
pub struct Node {
    process: Child,
    /// Where it answers.
    pub target: Target,
}

impl Node {
    /// Starts a node on this data directory, and waits until it takes commands.
    pub async fn start(binary: &Path, data: &Path, settings: &[Setting]) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new(binary)
            .arg("serve")
            .env("COUNTERFOIL_LISTEN", address.to_string())
            .env("COUNTERFOIL_DATA_DIR", data)
            .env("RUST_LOG", "off")
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;

        let authority = address.to_string();
        let mut node = Node {
            process,
            target: Target { authority },
        };
        let started = Instant::now();
        while !node.is_ready().await {
            if let Some(status) = node.process.try_wait()? {
                bail!("the node has ended at once: {status}");
            }
            ensure!(started.elapsed() < READY_WITHIN, "the node is not ready");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(node)
    }

    async fn is_ready(&self) -> bool {
        let mut connection = self.connection();
        let answer = connection.get("/health/ready", "").await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// A connection to it.
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection::new(&self.target, ANSWER_WITHIN)
    }

    /// The text of a query's answer.
    pub async fn text(&self, path: &str) -> anyhow::Result<String> {
        let mut connection = self.connection();
        let answer = connection.get(path, "").await?;
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        ensure!(answer.status() == 200, "{path}: {} {body}", answer.status());
        Ok(body)
    }

    /// The end of its process, as an operator asks for it.
    pub fn end(mut self) -> anyhow::Result<()> {
        let pid = self.process.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status()?;
        ensure!(told.success(), "cannot tell the node to end");
        let status = self.process.wait()?;
        ensure!(status.success(), "the node has ended with {status}");
        Ok(())
    }

    /// Options of the load generator for this node; `arguments` as on its command line.
    pub fn load(&self, arguments: &[&str]) -> anyhow::Result<Options> {
        use clap::Parser;
        let url = self.target.to_string();
        let common = ["load", "--url", &url, "--no-verify"];
        let all = common.into_iter().chain(arguments.iter().copied());
        Ok(Options::try_parse_from(all)?)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a command, and reads its answer.
pub async fn post<T: DeserializeOwned>(
    connection: &mut Connection,
    target: &Target,
    path: &str,
    body: &str,
) -> anyhow::Result<T> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        target.authority,
        body.len()
    );

    loop {
        let answer = connection.exchange(request.as_bytes()).await?;
        match answer.status() {
            200..=299 => {
                return serde_json::from_slice(answer.body())
                    .with_context(|| format!("{path}: unreadable answer"));
            }
            503 => tokio::time::sleep(LOOK_EVERY).await,
            status => bail!(
                "{path}: {status} {}",
                String::from_utf8_lossy(answer.body())
            ),
        }
    }
}

/// The database of a service in a data directory.
#[must_use]
pub fn database(data: &Path, service: &str) -> PathBuf {
    data.join(format!("{service}.db"))
}
