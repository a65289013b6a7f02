//! Which partitions of shards a node reads.

use std::collections::BTreeSet;

use sagas::Service;

/// What is read of shards' partitions.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Those of this node's own shards.
    pub(super) own: BTreeSet<(Service, i32)>,
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
        let heard = self.own.iter().flat_map(|(owner, partition)| {
            let others = services.iter().filter(move |service| *service != owner);
            others.map(|service| (*service, *partition))
        });
        heard.filter(|other| !self.own.contains(other)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{BOOKINGS, ROOMS};

    #[test]
    fn the_events_that_shards_here_hear_are_read_where_they_do_not_come_from_here() {
        let mut reading = Reading {
            own: [(ROOMS, 0), (ROOMS, 1), (BOOKINGS, 1), (BOOKINGS, 2)].into(),
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
}
