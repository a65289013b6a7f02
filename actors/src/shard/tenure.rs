//! The tenure of a shard: for how long it is this node's.
//!
//! It begins when the shard is assigned to this node and ends when it is assigned to another one, or
//! the node stops. A shard may have many, one after the other. What a node is told may be out of
//! date, so the shard asks whoever assigns before it takes itself over: a node that was thought dead
//! must not take shards from those that have them now.

use std::sync::Arc;
use std::time::Duration;

use sagas::ShardId;
use store::cluster::Membership;
use tokio::sync::watch;

/// When a shard is to be served here, and for how long.
pub(crate) struct Tenure {
    shard: ShardId,
    membership: Arc<dyn Membership>,
    is_here: watch::Receiver<bool>,
    stop: watch::Receiver<bool>,
}

impl Tenure {
    pub(crate) fn new(
        shard: ShardId,
        membership: &Arc<dyn Membership>,
        is_here: watch::Receiver<bool>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Tenure {
            shard,
            membership: Arc::clone(membership),
            is_here,
            stop,
        }
    }

    /// Waits until the shard is assigned to this node; false when the node stops first.
    pub(super) async fn begins(&mut self) -> bool {
        let Tenure { is_here, stop, .. } = self;
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => false,
            // An error says that nobody assigns any more.
            begins = is_here.wait_for(|is_here| *is_here) => begins.is_ok(),
        }
    }

    /// Waits until the shard is no longer this node's, or the node stops.
    pub(super) async fn ends(&mut self) {
        let Tenure { is_here, stop, .. } = self;
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => {}
            _ = is_here.wait_for(|is_here| !is_here) => {}
        }
    }

    /// Whether the node stops.
    pub(super) fn node_stops(&self) -> bool {
        *self.stop.borrow()
    }

    /// Asks whether the shard is still this node's; no when its tenure ends meanwhile.
    pub(super) async fn is_confirmed(&mut self) -> bool {
        let (shard, membership) = (self.shard, Arc::clone(&self.membership));
        tokio::select! {
            biased;
            () = self.ends() => false,
            confirmed = membership.confirm(shard) => confirmed,
        }
    }

    /// False when the tenure ends meanwhile.
    pub(super) async fn pause(&mut self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.ends() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}
