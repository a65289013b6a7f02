//! Tells each shard whether it is this node's.
//!
//! One task hears what is assigned, and tells the shards in the order of their names: whoever waits
//! together on one channel is woken in an order that nobody determines, and a simulated history
//! would not happen in the same way again.

use sagas::ShardId;
use store::cluster::Assigned;
use tokio::sync::watch;

/// The shards of a node, and how they are told.
pub(super) struct Tenures {
    heard: watch::Receiver<Assigned>,
    told: watch::Sender<Assigned>,
    shards: Vec<(ShardId, watch::Sender<bool>)>,
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

    /// Tells this shard as well.
    pub(super) fn of(&mut self, shard: ShardId) -> watch::Receiver<bool> {
        let is_here = self.told.borrow().contains(&shard);
        let (tell, is_told) = watch::channel(is_here);
        self.shards.push((shard, tell));
        is_told
    }

    /// Tells the shards whatever changes, until the node stops.
    pub(super) async fn tell(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let assigned = self.heard.borrow_and_update().clone();
            for (shard, tell) in &self.shards {
                let is_here = assigned.contains(shard);
                tell.send_if_modified(|was_here| std::mem::replace(was_here, is_here) != is_here);
            }
            self.told.send_replace(assigned);

            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                changed = self.heard.changed() => if changed.is_err() {
                    return;
                }
            }
        }
    }
}
