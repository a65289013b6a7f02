//! A log whose deliveries meet with trouble.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sagas::{ShardId, Timestamp};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{DeliveryFate, Trouble};
use crate::StoreError;
use crate::log::{Delivery, Destination, Heads, Log, Message, Positions, Subscription, Wants};

/// Deliveries that wait for a subscriber; it loses what comes then. Few, so that it happens.
const QUEUE: usize = 16;

/// A log, on whose way to its subscribers deliveries are lost, repeated and held up.
#[derive(Debug)]
pub struct SimulatedLog {
    log: Arc<dyn Log>,
    trouble: Arc<dyn Trouble>,
}

impl SimulatedLog {
    /// This one, with its trouble.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, trouble: Arc<dyn Trouble>) -> Self {
        SimulatedLog { log, trouble }
    }

    /// What comes of a subscription on its way.
    fn troubled(&self, whole: Subscription) -> Subscription {
        let Subscription {
            deliveries: whole,
            passed,
        } = whole;
        let (to, deliveries) = mpsc::channel(QUEUE);
        let carried = carry(whole, to.clone(), Arc::clone(&self.trouble));
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = to.closed() => {}
                () = carried => {}
            }
        });
        Subscription { deliveries, passed }
    }
}

/// Hands over what the log delivers, as long as somebody takes it.
async fn carry(
    mut from: mpsc::Receiver<Delivery>,
    to: mpsc::Sender<Delivery>,
    trouble: Arc<dyn Trouble>,
) {
    while let Some(delivery) = from.recv().await {
        let arrivals = match trouble.delivery() {
            DeliveryFate::Lost => Vec::new(),
            DeliveryFate::Arrives(after) => vec![after],
            DeliveryFate::Twice(first, second) => vec![first, second],
        };

        for after in arrivals {
            let copy: Delivery = delivery.iter().cloned().collect();
            if after.is_zero() {
                // What does not fit in is lost.
                let _ = to.try_send(copy);
            } else {
                arrive_later(after, copy, to.clone());
            }
        }
    }
}

fn arrive_later(after: Duration, delivery: Delivery, to: mpsc::Sender<Delivery>) {
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        let _ = to.try_send(delivery);
    });
}

impl Log for SimulatedLog {
    fn subscribe(&self, destination: Destination) -> Subscription {
        self.troubled(self.log.subscribe(destination))
    }

    fn listen(&self, shard: ShardId, events_of: &[ShardId], wants: Wants) -> Subscription {
        self.troubled(self.log.listen(shard, events_of, wants))
    }

    fn read(
        &self,
        source: ShardId,
        destination: Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        self.log.read(source, destination, after, limit)
    }

    fn heads(&self, source: ShardId) -> Option<Heads> {
        self.log.heads(source)
    }

    fn head(&self, source: ShardId, destination: Destination) -> u64 {
        self.log.head(source, destination)
    }

    fn head_time(&self, source: ShardId) -> Option<Timestamp> {
        self.log.head_time(source)
    }

    fn published(&self, source: ShardId) -> u64 {
        self.log.published(source)
    }

    fn history(
        &self,
        source: ShardId,
        entity: Uuid,
        from_version: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        self.log.history(source, entity, from_version, limit)
    }

    fn backlog<'a>(
        &'a self,
        source: ShardId,
        positions: &'a Positions,
    ) -> BoxFuture<'a, Result<BTreeMap<ShardId, u64>, StoreError>> {
        self.log.backlog(source, positions)
    }

    fn sources(&self) -> Vec<ShardId> {
        self.log.sources()
    }

    fn has_exact_heads(&self) -> bool {
        self.log.has_exact_heads()
    }

    fn knows_all_heads(&self) -> bool {
        self.log.knows_all_heads()
    }
}
