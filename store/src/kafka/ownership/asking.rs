//! Asking the coordinator of a group whether this node still has its partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
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
            if askers.is_empty() {
                continue;
            }

            let losses = self.losses();
            let Said { confirmed, refused } = self.ask(consumer, askers.keys().copied());
            // What is confirmed does not wait until the other thread has begun what it gains.
            if !refused.is_empty() {
                self.let_go(&refused, losses);
            }
            for (partition, askers) in askers {
                // What was taken away in the meantime is not this node's either.
                let confirmed = confirmed.contains(&partition) && self.holds(partition);
                for asker in askers {
                    let _ = asker.send(confirmed);
                }
            }
        }
    }

    /// Which of these partitions the coordinator lets this node commit an offset for, and which
    /// not, because it is no member any more or one of an older generation.
    ///
    /// Partitions that a newer generation gives to others are this node's until it has heard so:
    /// the coordinator waits for that before somebody else gets them.
    fn ask(&self, consumer: &BaseConsumer<Place>, partitions: impl Iterator<Item = i32>) -> Said {
        let mut offsets = TopicPartitionList::new();
        for partition in partitions {
            offsets.add_partition(&self.topic, partition);
        }

        let committed = offsets
            .set_all_offsets(Offset::Offset(0))
            .and_then(|()| consumer.commit(&offsets, CommitMode::Sync));
        let mut said = Said::default();
        for offset in offsets.elements() {
            match committed.clone().and_then(|()| offset.error()) {
                Ok(()) => said.confirmed.insert(offset.partition()),
                Err(error) if is_refusal(&error) => said.refused.insert(offset.partition()),
                // It says nothing, or nobody does: while no broker answers, nobody is given them.
                Err(_) => continue,
            };
        }
        if let Err(error) = committed {
            info!(service = %self.service, "the coordinator confirms no shard: {error}");
        }
        said
    }
}

/// What the coordinator says of partitions.
#[derive(Debug, Default)]
struct Said {
    confirmed: BTreeSet<i32>,
    refused: BTreeSet<i32>,
}

/// Whether the coordinator says that the group goes on without this node.
fn is_refusal(error: &ClientError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::FencedInstanceId
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_nothing_from_the_coordinator_is_not_refused() {
        let is_refusal = |code| is_refusal(&ClientError::ConsumerCommit(code));
        assert!(is_refusal(RDKafkaErrorCode::UnknownMemberId));
        assert!(is_refusal(RDKafkaErrorCode::IllegalGeneration));
        for code in [
            RDKafkaErrorCode::BrokerTransportFailure,
            RDKafkaErrorCode::WaitingForCoordinator,
            RDKafkaErrorCode::OperationTimedOut,
            RDKafkaErrorCode::CoordinatorNotAvailable,
            RDKafkaErrorCode::NotCoordinator,
        ] {
            assert!(!is_refusal(code), "{code:?}");
        }
    }
}
