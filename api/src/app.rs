//! The wiring of a node: the one place where backends are chosen and the parts are joined.
//!
//! A node takes its address and its data folder, starts from the bottom (databases, log, journals,
//! shards, views, HTTP) and ends from the top: other nodes take its shards over, callers that wait
//! get the state so far, requests under way end, then the shards, the journals, the views. It can
//! be told to end at any moment, also while it starts, and ends in time whatever a store does.

mod announcing;
mod auditing;
pub(crate) mod backup;
mod bulk;
mod company;
mod databases;
mod folder;
mod handing_over;
mod history;
mod io;
mod observer;
mod operated_views;
mod operations;
mod quarantine_causes;
mod quarantined_views;
mod queries;
mod reaching;
mod recorded_views;
pub(crate) mod republish;
mod shown;
mod start;
mod stores;
mod view_deeds;
mod views_anywhere;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use store::kafka::Kafka;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::config::Config;
use crate::shutdown;

use start::start;
pub(crate) use stores::view_stores;

/// A node ends within this time after it was asked to. What has not ended by then is as safe as
/// after a crash.
const END_WITHIN: Duration = Duration::from_secs(14);

/// How long a node whose start is broken off may take to leave the others.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

/// A running node.
struct Running {
    parts: start::Parts,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Waits for the server to end, which it does when the node is asked to, then ends the rest.
    async fn end(self, deadline: Instant) -> anyhow::Result<()> {
        let Running { parts, serving } = self;
        let served = serving.await.context("the HTTP server failed")?;
        parts.end(deadline).await;
        served.context("the HTTP server failed")
    }

    /// Waits until a part has ended by itself that the node cannot do without.
    async fn failed(&self) -> anyhow::Error {
        self.parts.failed().await
    }

    /// Hands the shards over to other nodes.
    async fn hand_over(&self) {
        self.parts.hand_over().await;
    }

    /// Lets go of callers that wait for sagas, so that the server can end.
    fn release_waiting(&self) {
        self.parts.release_waiting();
    }
}

/// Runs a node until it is asked to end.
///
/// # Errors
/// What keeps the node from starting, from going on, or from ending in order.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let (ending, shutdown) = shutdown::on_signals()?;
    let joined = OnceCell::new();
    let running = tokio::select! {
        biased;
        running = start(config, shutdown.clone(), &joined) => match running {
            Ok(running) => running,
            Err(error) => {
                leave(&joined).await;
                return Err(error);
            }
        },
        () = shutdown::asked(shutdown.clone()) => {
            leave(&joined).await;
            tracing::info!("the node has ended before it was ready");
            return Ok(());
        }
    };

    let ran = tokio::select! {
        () = shutdown::asked(shutdown) => Ok(()),
        failed = running.failed() => Err(failed),
    };
    let deadline = Instant::now() + END_WITHIN;

    // Without its journal a node can only refuse. Its supervisor starts it anew.
    if ran.is_ok() {
        running.hand_over().await;
    }
    ending.request();
    running.release_waiting();
    let ended = tokio::time::timeout_at(deadline, running.end(deadline))
        .await
        .unwrap_or_else(|_| {
            tracing::warn!(
                "not everything has ended in time; the next start goes on from what is durable"
            );
            Ok(())
        });
    ran.and(ended)
}

/// Leaves the others, if the node has joined them: otherwise its shards are nobody's until they
/// take it for dead.
async fn leave(joined: &OnceCell<Arc<Kafka>>) {
    if let Some(kafka) = joined.get() {
        kafka.leave(LEAVES_WITHIN).await;
    }
}
