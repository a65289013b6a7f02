//! The wiring of a node: the one place where backends are chosen and the parts are joined.
//!
//! A node starts from the bottom (databases, log, journals, shards, views, HTTP) and ends from the top: callers that
//! wait are answered with the state so far, requests under way end, then the shards, the journals, the views.

mod history;
mod operations;
mod queries;
mod start;

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::demo;
use crate::config::Config;
use crate::shutdown;

pub use start::start;

/// A node must have ended so long after it was asked to; what has not by then is as safe as after a crash.
const END_WITHIN: Duration = Duration::from_secs(14);

/// A running node.
pub struct Running {
    pub address: SocketAddr,
    parts: start::Parts,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Waits for the server to end, which it does when the node is asked to, then ends the rest.
    async fn end(self) -> anyhow::Result<()> {
        let Running { parts, serving, .. } = self;
        let served = serving.await.context("the HTTP server failed")?;
        if tokio::time::timeout(END_WITHIN, parts.end()).await.is_err() {
            tracing::warn!("not everything has ended in time; the next start goes on from what is durable");
        }
        served.context("the HTTP server failed")
    }

    /// Lets go of callers that wait for sagas, so that the server can end.
    fn release_waiting(&self) {
        self.parts.release_waiting();
    }

    /// Stops the server without a signal.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.release_waiting();
        self.server.stop(true).await;
        self.end().await
    }
}

/// Runs a node until it is asked to end.
///
/// # Errors
/// What keeps the node from starting, or from ending in order.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signals()?;
    let running = start(config, shutdown.clone()).await?;
    shutdown::requested(shutdown).await;
    running.release_waiting();
    running.end().await
}

/// Runs a node with a generated shop to look at.
///
/// # Errors
/// As [`serve`], or when the shop cannot be set up.
pub async fn demo(config: Config) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signals()?;
    let running = start(config, shutdown.clone()).await?;
    let url = format!("http://{}", running.address);
    eprintln!("a shop is being set up; look at {url}/");
    let (stop, stopped) = watch::channel(false);
    let shop = actix_rt::spawn(async move { demo::populate(&url, stopped).await });
    shutdown::requested(shutdown).await;
    stop.send_replace(true);
    running.release_waiting();
    if let Ok(Err(error)) = shop.await {
        tracing::warn!(error = %error, "the shop of the demo stopped early");
    }
    running.end().await
}
