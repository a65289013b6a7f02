//! Where topics end, and which offsets belong to a time.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use super::clients::{Complaints, PATIENCE};
use super::topics::{Topic, Topics};

/// How long it may take until all brokers know of new topics, and when to look again.
const NEW_TOPICS: Duration = Duration::from_secs(8);
const AGAIN: Duration = Duration::from_millis(50);

/// Where topics end that a node reads whatever its shards are.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) answers: TopicPartitionList,
    pub(super) nodes: TopicPartitionList,
    pub(super) events: TopicPartitionList,
}

impl Ends {
    /// Blocks, longer if the topics are so new that not all brokers know them.
    pub(super) fn find(
        consumer: &BaseConsumer<Complaints>,
        topics: &Topics,
        node: &str,
    ) -> KafkaResult<Self> {
        let deadline = Instant::now() + NEW_TOPICS;
        loop {
            match Self::now(consumer, topics, node) {
                Err(error) if Instant::now() < deadline => debug!("not yet: {error}"),
                ends => return ends,
            }
            thread::sleep(AGAIN);
        }
    }

    fn now(consumer: &BaseConsumer<Complaints>, topics: &Topics, node: &str) -> KafkaResult<Self> {
        let mut answers = TopicPartitionList::new();
        if let Some(topic) = topics.name(Topic::Answers) {
            answers.add_partition(topic, topics.of_node(node));
        }

        let mut nodes = TopicPartitionList::new();
        if let Some(topic) = topics.name(Topic::Nodes) {
            nodes.add_partition(topic, topics.of_all());
        }

        Ok(Ends {
            nodes: offsets(consumer, nodes, Offset::End)?,
            answers: offsets(consumer, answers, Offset::End)?,
            events: offsets(consumer, topics.events_of(&topics.services), Offset::End)?,
        })
    }
}

/// The offsets of these partitions at a time, or at the end. Blocks.
pub(super) fn offsets(
    consumer: &BaseConsumer<Complaints>,
    mut list: TopicPartitionList,
    at: Offset,
) -> KafkaResult<TopicPartitionList> {
    if list.count() == 0 {
        return Ok(list);
    }
    list.set_all_offsets(at)?;

    let list = consumer.offsets_for_times(list, PATIENCE)?;
    for element in list.elements() {
        element.error()?;
        if at == Offset::End && !matches!(element.offset(), Offset::Offset(_)) {
            return Err(ClientError::NoMessageReceived);
        }
    }
    Ok(list)
}
