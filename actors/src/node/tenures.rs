//! Tells each shard whether it is this node's.
//!
//! One task hears what is assigned, and tells the shards in the order of their names: whoever waits
//! together on one channel is woken in an order that nobody determines, and a simulated history
//! would not happen in the same way again.

use sagas::ShardId;
use store::cluster::Assigned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The shards of a node, and how they are told.
pub(super) struct Tenures {
    heard: watch::Receiver<Assigned>,
    told: watch::Sender<Assigned>,
    shards: Vec<(ShardId, watch::Sender<Option<u64>>)>,
}

impl Tenures {
    pub(super) fn new(mut heard: watch::Receiver<Assigned>) -> Self {
        let assigned = heard.borrow_and_update().clone();
        Tenures {
            heard,
            told: watch::channel(assigned).0,
            shards: Vec::new(),
        }
    }

    /// What the shards have been told.
    pub(super) fn told(&self) -> watch::Receiver<Assigned> {
        self.told.subscribe()
    }

    /// Tells this shard as well: the number of its tenure, while it is this node's.
    pub(super) fn of(&mut self, shard: ShardId) -> watch::Receiver<Option<u64>> {
        let tenure = self.told.borrow().get(&shard).copied();
        let (tell, is_told) = watch::channel(tenure);
        self.shards.push((shard, tell));
        is_told
    }

    /// Tells the shards whatever changes, until the node stops.
    pub(super) async fn tell(mut self, stop: CancellationToken) {
        loop {
            let assigned = self.heard.borrow_and_update().clone();
            for (shard, tell) in &self.shards {
                let tenure = assigned.get(shard).copied();
                tell.send_if_modified(|before| std::mem::replace(before, tenure) != tenure);
            }
            self.told.send_replace(assigned);

            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = self.heard.changed() => if changed.is_err() {
                    return;
                }
            }
        }
    }
}
