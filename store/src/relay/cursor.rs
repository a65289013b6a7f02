//! How far a relay has come in the outbox of a shard.

use std::collections::BTreeMap;

use crate::log::{Destination, Message};

/// A place in an outbox, and what is known of what lies before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The sequence of the last message up to which all are carried.
    reached: u64,
    /// Of destinations that no message has been carried to, only this is known: theirs that lies
    /// before is no later.
    unknown_up_to: u64,
    newest: BTreeMap<Destination, u64>,
}

impl Cursor {
    /// Behind this sequence. Of events it is known which was the last.
    pub(super) fn behind(reached: u64, last_event: u64) -> Self {
        Cursor {
            reached,
            unknown_up_to: reached,
            newest: BTreeMap::from([(Destination::Events, last_event)]),
        }
    }

    pub(super) const fn reached(&self) -> u64 {
        self.reached
    }

    /// Goes on to a message, which then names the one before it. Where that is not known, it names
    /// a later place: whoever has not come that far reads the outbox.
    pub(super) fn advance(&mut self, message: &mut Message) {
        let newest = self.newest.insert(message.destination, message.sequence);
        message.previous = newest.unwrap_or(self.unknown_up_to);
        self.reached = self.reached.max(message.sequence);
    }

    /// Goes on to the end of a row, whose last messages may have been deleted.
    pub(super) fn reach(&mut self, sequence: u64) {
        self.reached = self.reached.max(sequence);
    }

    /// Goes on to the end of a row of which not everything can be read.
    pub(super) fn pass(&mut self, sequence: u64) {
        self.reach(sequence);
        self.unknown_up_to = self.reached;
        self.newest.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::tests::{message, to_events, to_shard};

    fn advanced(cursor: &mut Cursor, sequence: u64, destination: Destination) -> u64 {
        let mut message = message(sequence, destination);
        cursor.advance(&mut message);
        message.previous
    }

    #[test]
    fn a_message_names_the_one_before_it_to_its_destination() {
        let mut cursor = Cursor::behind(0, 0);
        assert_eq!(advanced(&mut cursor, 1, to_events()), 0);
        assert_eq!(advanced(&mut cursor, 2, to_shard(1)), 0);
        assert_eq!(advanced(&mut cursor, 3, to_events()), 1);
        assert_eq!(advanced(&mut cursor, 5, to_shard(1)), 2);
        assert_eq!(cursor.reached(), 5);
    }

    #[test]
    fn where_the_one_before_is_not_known_a_later_place_is_named() {
        let mut cursor = Cursor::behind(41, 38);
        assert_eq!(advanced(&mut cursor, 42, to_events()), 38);
        assert_eq!(advanced(&mut cursor, 43, to_shard(1)), 41);
        assert_eq!(advanced(&mut cursor, 44, to_shard(1)), 43);

        // A row is damaged: it may have held messages to anybody.
        cursor.pass(47);
        assert_eq!(advanced(&mut cursor, 48, to_shard(1)), 47);
        assert_eq!(advanced(&mut cursor, 49, to_events()), 47);
    }
}
