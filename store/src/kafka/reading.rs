//! Which partitions of shards a node reads.

use std::collections::{BTreeMap, BTreeSet};

use sagas::Service;

/// What is read of shards' partitions.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Those of this node's own shards.
    pub(super) own: BTreeMap<(Service, i32), Questions>,
    /// Those of which the events are read because a shard here may go on with them: see
    /// [`beside`](Reading::beside).
    pub(super) events: BTreeSet<(Service, i32)>,
    /// Whether all events are read anyway.
    pub(super) all_events: bool,
}

impl Reading {
    /// The partitions of which the events are to be read for the shards here. A shard hears those
    /// of the other services' shards of its number, which stand in the partition of its own; what
    /// comes from a shard of this node is handed over as it is committed.
    pub(super) fn beside(&self, services: &[Service]) -> BTreeSet<(Service, i32)> {
        if self.all_events {
            return BTreeSet::new();
        }
        let heard = self.own.keys().flat_map(|(owner, partition)| {
            let others = services.iter().filter(move |service| *service != owner);
            others.map(|service| (*service, *partition))
        });
        heard
            .filter(|other| !self.own.contains_key(other))
            .collect()
    }
}

/// What is read of the questions in a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Questions {
    /// Those of the shards that they are to.
    pub(super) tenure: u64,
    /// The offset of the first that is read.
    pub(super) from: i64,
    /// The offset of the first that has come since the partition is this node's.
    pub(super) own_from: i64,
}

impl Questions {
    /// Whether this one was asked before.
    pub(super) fn is_from_before(&mut self, offset: i64) -> bool {
        if offset < self.from {
            // The topic is another one, which somebody has created anew.
            (self.from, self.own_from) = (offset, offset);
        }
        offset < self.own_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{BOOKINGS, ROOMS};

    const QUESTIONS: Questions = Questions {
        tenure: 1,
        from: 90,
        own_from: 100,
    };

    #[test]
    fn the_events_that_shards_here_hear_are_read_where_they_do_not_come_from_here() {
        let mut reading = Reading {
            own: [(ROOMS, 0), (ROOMS, 1), (BOOKINGS, 1), (BOOKINGS, 2)]
                .map(|partition| (partition, QUESTIONS))
                .into(),
            ..Reading::default()
        };
        let services = [ROOMS, BOOKINGS];
        assert_eq!(
            reading.beside(&services),
            [(BOOKINGS, 0), (ROOMS, 2)].into()
        );

        reading.all_events = true;
        assert!(reading.beside(&services).is_empty());
    }

    #[test]
    fn a_question_is_from_before_until_the_offset_at_which_the_partition_became_this_nodes() {
        let mut questions = QUESTIONS;
        let read = [90, 99, 100, 101].map(|offset| questions.is_from_before(offset));
        assert_eq!(read, [true, true, false, false]);

        let mut created_anew = QUESTIONS;
        let read = [0, 1, 95].map(|offset| created_anew.is_from_before(offset));
        assert_eq!(read, [false, false, false]);
    }
}
