//! Asking the coordinator of a group whether this node still has its partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::oneshot;
use tracing::info;

use super::Place;
use super::member::Member;
use crate::kafka::clients::TURN;

/// A question whether this node has a partition, and whom to tell.
pub(super) type Question = (i32, oneshot::Sender<bool>);

impl Member {
    /// Asks the coordinator what there is to ask: all that has gathered since it answered.
    ///
    /// On a thread of its own, because it waits for each answer. What the client calls back for an
    /// offset that is committed without waiting, the binding does not hear.
    pub(super) fn ask_coordinator(
        &self,
        consumer: &BaseConsumer<Place>,
        questions: &Receiver<Question>,
        stop: &AtomicBool,
    ) {
        while !stop.load(Ordering::SeqCst) {
            let Ok(first) = questions.recv_timeout(TURN) else {
                continue;
            };
            let mut askers: BTreeMap<i32, Vec<oneshot::Sender<bool>>> = BTreeMap::new();
            for (partition, asker) in std::iter::once(first).chain(questions.try_iter()) {
                if !asker.is_closed() {
                    askers.entry(partition).or_default().push(asker);
                }
            }
            // A question of one that the group has lost is refused, and the client takes every
            // refusal for a loss: it gives up its way back into the group, and begins anew under
            // another name. The coordinator then waits for the one it has given up as long as for
            // a dead node. Nothing is confirmed for so long anyway. The client knows of a loss
            // first. What it has not sent yet by then it sends behind it, once: that is not known.
            if askers.is_empty() || consumer.assignment_lost() || self.is_lost() {
                continue;
            }

            let confirmed = self.ask(consumer, askers.keys().copied());
            for (partition, askers) in askers {
                // What was taken away in the meantime is not this node's either.
                let confirmed =
                    confirmed.contains(&partition) && !self.is_lost() && self.holds(partition);
                for asker in askers {
                    let _ = asker.send(confirmed);
                }
            }
        }
    }

    /// Which of these partitions the coordinator lets this node commit an offset for. Not when the
    /// node is no member any more or one of an older generation, nor when nobody answers.
    ///
    /// Partitions that a newer generation gives to others are this node's until it has heard so:
    /// the coordinator waits for that before somebody else gets them.
    fn ask(
        &self,
        consumer: &BaseConsumer<Place>,
        partitions: impl Iterator<Item = i32>,
    ) -> BTreeSet<i32> {
        let mut offsets = TopicPartitionList::new();
        for partition in partitions {
            offsets.add_partition(&self.topic, partition);
        }

        let committed = offsets
            .set_all_offsets(Offset::Offset(0))
            .and_then(|()| consumer.commit(&offsets, CommitMode::Sync));
        if let Err(error) = committed {
            info!(service = %self.service, "the coordinator confirms no shard: {error}");
            return BTreeSet::new();
        }
        let elements = offsets.elements();
        let confirmed = elements.iter().filter(|offset| offset.error().is_ok());
        confirmed.map(|offset| offset.partition()).collect()
    }
}
