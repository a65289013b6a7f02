//! What is pruned, and what stays. The messages of a unit have its first sequence as their time.

use sagas::Timestamp;

use super::{Claim, Destination, Place, Prune, Pruned};
use crate::StoreError;
use crate::journal::testing::shard;

const TO: Destination = Destination::Shard(shard(2));

impl Place {
    /// An outbox of units with an event and a command each: events are odd, commands even.
    fn with_units(&mut self, count: u64) -> Claim {
        let mut one = self.claim(shard(1));
        for _ in 0..count {
            let unit = self.node().sending(&mut one, &[shard(2)]);
            self.write(&[unit]).unwrap();
        }
        one
    }

    fn prune(&mut self, claim: &Claim, up_to: u64, before: i64) -> usize {
        let pruned = self.node().prune(prune(claim, up_to, before)).unwrap();
        assert!(!pruned.more);
        pruned.rows
    }

    fn commands(&self) -> Vec<u64> {
        self.sequences(shard(1), TO)
    }
}

fn prune(claim: &Claim, up_to: u64, before: i64) -> Prune {
    Prune {
        shard: claim.shard,
        epoch: claim.epoch,
        up_to,
        before: Timestamp::from_micros(before),
        rows: 1000,
    }
}

pub fn commands_go_and_events_stay(mut place: Place) {
    let mut one = place.with_units(3);
    // One without an event: nothing of it is history.
    let mut unit = place.node().sending(&mut one, &[shard(2)]);
    if let Some(outgoing) = &mut unit.outgoing {
        outgoing.events.clear();
    }
    one.next_sequence -= 1;
    place.write(&[unit]).unwrap();
    let unit = place.node().sending(&mut one, &[shard(2)]);
    place.write(&[unit]).unwrap();
    assert_eq!(place.commands(), [2, 4, 6, 7, 9]);

    assert_eq!(place.prune(&one, 7, i64::MAX), 4);
    assert_eq!(place.commands(), [9]);
    let events = place.sequences(shard(1), Destination::Events);
    assert_eq!(events, [1, 3, 5, 8]);
    assert_eq!(place.prune(&one, 7, i64::MAX), 0, "it is done");
}

pub fn what_is_beyond_the_bounds_stays(mut place: Place) {
    let one = place.with_units(6);

    place.prune(&one, 4, i64::MAX);
    assert_eq!(place.commands(), [6, 8, 10, 12]);
    place.prune(&one, 100, 7);
    assert_eq!(place.commands(), [8, 10, 12]);
    // A receiver may have come as far as the middle of a unit: the rest of it is still needed.
    place.prune(&one, 9, i64::MAX);
    assert_eq!(place.commands(), [10, 12]);
    place.prune(&one, 0, i64::MAX);
    assert_eq!(place.commands(), [10, 12]);
}

pub fn the_newest_row_stays_whatever_the_bounds_are(mut place: Place) {
    let one = place.with_units(2);
    place.prune(&one, u64::MAX, i64::MAX);
    assert_eq!(place.commands(), [4]);

    place.restart("");
    let next = place.claim(shard(1));
    assert_eq!(next.next_sequence, one.next_sequence);
}

pub fn a_long_outbox_is_pruned_a_bounded_number_of_rows_at_once(mut place: Place) {
    let one = place.with_units(26);
    let bounded = Prune {
        rows: 10,
        ..prune(&one, u64::MAX, i64::MAX)
    };
    let mut rounds = 1;

    loop {
        let Pruned { rows, more } = place.node().prune(bounded).unwrap();
        assert!(rows <= 10);
        if !more {
            break;
        }
        rounds += 1;
    }

    assert_eq!(rounds, 3);
    assert_eq!(place.commands(), [52]);
    let events = place.sequences(shard(1), Destination::Events);
    assert_eq!(events.len(), 26);
}

pub fn an_owner_that_was_replaced_prunes_nothing(mut place: Place) {
    let one = place.with_units(3);
    place.another("").claim(shard(1));
    let pruned = place.node().prune(prune(&one, u64::MAX, i64::MAX));
    assert!(
        matches!(pruned, Err(StoreError::StaleEpoch { .. })),
        "{pruned:?}"
    );
    assert_eq!(place.commands(), [2, 4, 6]);
}
