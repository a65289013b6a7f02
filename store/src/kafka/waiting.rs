//! What a producer has been given and not delivered, by partition.
//!
//! A client has one queue for all partitions. Records to one that nobody leads stay in it until
//! they are given up, and would soon leave no room for any other. So each partition may have a
//! share of the queue, and all messages together may have less than all of it: questions, answers
//! and what nodes tell of themselves always find room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::topics::{Topic, Topics};

/// What may wait while no broker answers.
pub(super) const RECORDS: usize = 100_000;
pub(super) const BYTES: usize = 64 << 20;

/// Of that a partition may have a quarter, and all messages and events three.
const OF_PARTITION: usize = 4;
const OF_MESSAGES: (usize, usize) = (3, 4);

/// What waits in a producer's queue.
#[derive(Debug)]
pub(super) struct Waiting {
    messages: Load,
    topics: HashMap<String, OfTopic>,
}

/// The same of a topic.
#[derive(Debug)]
struct OfTopic {
    /// Whether what is lost can be read from an outbox.
    has_messages: bool,
    partitions: Vec<Load>,
}

impl Waiting {
    pub(super) fn new(topics: &Topics) -> Self {
        let partitions = usize::try_from(topics.partitions).unwrap_or(0);
        let of_topic = |name: &str| OfTopic {
            has_messages: matches!(topics.named(name), Some(Topic::Inbox(_) | Topic::Events(_))),
            partitions: (0..partitions).map(|_| Load::default()).collect(),
        };
        let names = topics.names();
        Waiting {
            messages: Load::default(),
            topics: names
                .map(|name| (name.to_owned(), of_topic(name)))
                .collect(),
        }
    }

    /// Whether there is room for one more record of so many bytes; then it is taken.
    pub(super) fn takes(&self, topic: &str, partition: i32, bytes: usize) -> bool {
        let Some((load, has_messages)) = self.of(topic, partition) else {
            return true;
        };
        if !load.takes(bytes, (RECORDS / OF_PARTITION, BYTES / OF_PARTITION)) {
            return false;
        }

        let (share, all) = OF_MESSAGES;
        let most = (RECORDS / all * share, BYTES / all * share);
        let has_room = !has_messages || self.messages.takes(bytes, most);
        if !has_room {
            load.gives(bytes);
        }
        has_room
    }

    /// One waits no more.
    pub(super) fn gives(&self, topic: &str, partition: i32, bytes: usize) {
        if let Some((load, has_messages)) = self.of(topic, partition) {
            load.gives(bytes);
            if has_messages {
                self.messages.gives(bytes);
            }
        }
    }

    fn of(&self, topic: &str, partition: i32) -> Option<(&Load, bool)> {
        let of_topic = self.topics.get(topic)?;
        let load = of_topic.partitions.get(usize::try_from(partition).ok()?)?;
        Some((load, of_topic.has_messages))
    }
}

/// How much waits of something.
#[derive(Debug, Default)]
struct Load {
    records: AtomicUsize,
    bytes: AtomicUsize,
}

impl Load {
    fn takes(&self, bytes: usize, (most_records, most_bytes): (usize, usize)) -> bool {
        let records = self.records.fetch_add(1, Ordering::Relaxed);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        // One that is larger than all there may be is for the brokers to refuse.
        let has_room = records == 0 || (records < most_records && before + bytes <= most_bytes);
        if !has_room {
            self.gives(bytes);
        }
        has_room
    }

    fn gives(&self, bytes: usize) {
        self.records.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::tests::leaderless::cluster;
    use crate::testing::{BOOKINGS, ROOMS};

    #[test]
    fn a_partition_takes_a_share_and_messages_leave_room_for_questions() {
        let (_cluster, settings) = cluster();
        let topics = Topics::new(&settings);
        let waiting = Waiting::new(&topics);
        let name = |topic| topics.name(topic).unwrap();
        let fill = |topic, partition| {
            let taken = (0..RECORDS).take_while(|_| waiting.takes(name(topic), partition, 100));
            taken.count()
        };

        let inbox = Topic::Inbox(ROOMS);
        assert_eq!(fill(inbox, 0), RECORDS / 4);
        assert_eq!(fill(Topic::Events(ROOMS), 0), RECORDS / 4);
        assert_eq!(fill(inbox, 1), RECORDS / 4);
        assert_eq!(
            fill(Topic::Inbox(BOOKINGS), 3),
            0,
            "messages have their share"
        );
        assert_eq!(fill(Topic::Requests(ROOMS), 0), RECORDS / 4);

        waiting.gives(name(inbox), 0, 100);
        assert!(!waiting.takes(name(inbox), 1, 100), "that of another");
        assert!(waiting.takes(name(inbox), 0, 100));
    }

    #[test]
    fn records_count_by_their_bytes_and_a_large_one_is_taken_where_none_waits() {
        let (_cluster, settings) = cluster();
        let topics = Topics::new(&settings);
        let waiting = Waiting::new(&topics);
        let requests = topics.name(Topic::Requests(ROOMS)).unwrap();
        assert!(waiting.takes(requests, 0, BYTES));
        assert!(!waiting.takes(requests, 0, 1));

        waiting.gives(requests, 0, BYTES);
        assert!(waiting.takes(requests, 0, BYTES / 4 - 1));
        assert!(waiting.takes(requests, 0, 1));
        assert!(!waiting.takes(requests, 0, 1));
    }
}
