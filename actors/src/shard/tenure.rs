//! The tenure of a shard: for how long it is this node's.
//!
//! It begins when the shard is assigned to this node and ends when it is assigned to another one,
//! or the node stops. A shard may have many, one after the other. What a node is told may be out of
//! date, so the shard asks whoever assigns before it takes itself over: a node that was thought
//! dead must not take shards from those that have them now.

use std::sync::Arc;
use std::time::Duration;

use sagas::ShardId;
use sagas::mistakes::{Mistake, makes};
use store::cluster::Membership;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// When a shard is to be served here, and for how long.
#[derive(Clone)]
pub(crate) struct Tenure {
    shard: ShardId,
    membership: Arc<dyn Membership>,
    /// The number of the tenure that the shard is assigned for.
    assigned: watch::Receiver<Option<u64>>,
    /// The number of the one that has begun here.
    begun: Option<u64>,
    stop: CancellationToken,
}

impl Tenure {
    pub(crate) fn new(
        shard: ShardId,
        membership: &Arc<dyn Membership>,
        assigned: watch::Receiver<Option<u64>>,
        stop: CancellationToken,
    ) -> Self {
        Tenure {
            shard,
            membership: Arc::clone(membership),
            assigned,
            begun: None,
            stop,
        }
    }

    /// Waits until the shard is assigned to this node; false when the node stops first.
    pub(super) async fn begins(&mut self) -> bool {
        let Tenure { assigned, stop, .. } = self;
        self.begun = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            // An error says that nobody assigns any more.
            begins = assigned.wait_for(Option::is_some) => begins.ok().and_then(|begun| *begun),
        };
        self.begun.is_some()
    }

    /// Waits until the shard is no longer this node's, or the node stops. One that is this node's
    /// again has not been so all the time, even if nobody here has looked in between.
    pub(super) async fn ends(&mut self) {
        let Tenure {
            assigned,
            begun,
            stop,
            ..
        } = self;
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            _ = assigned.wait_for(|assigned| is_over(*assigned, *begun)) => {}
        }
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        // An error says that nobody assigns any more.
        self.stop.is_cancelled()
            || self.assigned.has_changed().is_err()
            || is_over(*self.assigned.borrow(), self.begun)
    }

    /// The number of the one that has begun last.
    pub(super) fn number(&self) -> Option<u64> {
        self.begun
    }

    /// Whether the node stops.
    pub(super) fn node_stops(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Asks whether the shard is still this node's; no when its tenure ends meanwhile.
    pub(super) async fn is_confirmed(&mut self) -> bool {
        if makes(Mistake::UnconfirmedTakenOver) {
            return true;
        }

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

/// Whether the tenure that has begun is not the one that the shard is assigned for.
fn is_over(assigned: Option<u64>, begun: Option<u64>) -> bool {
    match makes(Mistake::TenureNotCompared) {
        true => assigned.is_none(),
        false => assigned != begun,
    }
}
