//! Where topics end, and which offsets belong to a time.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::Client;
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
    /// Blocks, longer if the topics are so new that not all brokers know them. A partition that has
    /// no leader by then ends where it does when it has one.
    pub(super) fn find(
        consumer: &BaseConsumer<Complaints>,
        topics: &Topics,
        node: &str,
    ) -> KafkaResult<Self> {
        let deadline = Instant::now() + NEW_TOPICS;
        loop {
            let is_late = Instant::now() >= deadline;
            match Self::now(consumer, topics, node) {
                Ok(ends) if is_late || ends.are_known() => return Ok(ends),
                Ok(_) => debug!("not yet: a partition has no leader"),
                Err(error) if is_late => return Err(error),
                Err(error) => debug!("not yet: {error}"),
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
            nodes: ends(consumer, &nodes)?,
            answers: ends(consumer, &answers)?,
            events: ends(consumer, &topics.events_of(&topics.services))?,
        })
    }

    fn are_known(&self) -> bool {
        let lists = [&self.answers, &self.nodes, &self.events];
        let mut elements = lists.into_iter().flat_map(TopicPartitionList::elements);
        elements.all(|end| end.offset() != Offset::End)
    }
}

/// Which partitions of a topic have a leader. Blocks.
pub(super) fn led<C: ClientContext>(client: &Client<C>, topic: &str) -> KafkaResult<BTreeSet<i32>> {
    let metadata = client.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions());
    let led = partitions.filter(|partition| partition.leader() >= 0);
    Ok(led.map(|partition| partition.id()).collect())
}

/// Where these partitions end, and of one without a leader, that it is read from its end. Blocks.
pub(super) fn ends(
    consumer: &BaseConsumer<Complaints>,
    list: &TopicPartitionList,
) -> KafkaResult<TopicPartitionList> {
    let (mut asked, mut ends) = (TopicPartitionList::new(), TopicPartitionList::new());
    let mut known: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for element in list.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        let led = match known.entry(topic.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(led(consumer.client(), topic)?),
        };
        // To ask for the end of one that nobody leads would take as long as may be, and fail with
        // all that is asked for together with it.
        match led.contains(&partition) {
            true => drop(asked.add_partition(topic, partition)),
            false => ends.add_partition_offset(topic, partition, Offset::End)?,
        }
    }

    for end in offsets(consumer, asked, Offset::End)?.elements() {
        ends.add_partition_offset(end.topic(), end.partition(), end.offset())?;
    }
    Ok(ends)
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
