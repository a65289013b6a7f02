//! For tests: what is read, and a client that has done what nobody asked for.

use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sagas::Service;

use super::{Reader, Topic};

/// What a client that has failed makes of a partition of messages.
pub(in crate::kafka) enum Disturbed {
    Read,
    NotRead,
}

impl Reader {
    /// Does what nobody has asked for.
    pub(in crate::kafka) fn disturb(&self, service: Service, partition: i32, disturbed: Disturbed) {
        let topic = self.topics.name(Topic::Inbox(service)).unwrap();
        let mut alone = TopicPartitionList::new();
        alone
            .add_partition_offset(topic, partition, Offset::End)
            .unwrap();
        let done = match disturbed {
            Disturbed::Read => self.consumer.incremental_assign(&alone),
            Disturbed::NotRead => self.consumer.incremental_unassign(&alone),
        };
        done.unwrap();
    }

    /// How many partitions are read.
    pub(in crate::kafka) fn count(&self) -> usize {
        self.consumer.assignment().unwrap().count()
    }

    /// The tenure for which questions to the shards in a partition are read.
    pub(in crate::kafka) fn tenure(&self, service: Service, partition: i32) -> Option<u64> {
        let reading = self.lock();
        let questions = reading.own.get(&(service, partition));
        questions.map(|questions| questions.tenure)
    }

    /// Whether both messages and questions to them are read.
    pub(in crate::kafka) fn reads(&self, service: Service, partition: i32) -> bool {
        let assigned = self.consumer.assignment().unwrap();
        let topics = [Topic::Inbox(service), Topic::Requests(service)];
        let mut names = topics
            .map(|topic| self.topics.name(topic).unwrap())
            .into_iter();
        names.all(|topic| assigned.find_partition(topic, partition).is_some())
    }
}
