//! Failures, panics and deaths in the middle of a batch, and what is known afterwards.

use super::{AssertUnwindSafe, Batch, Destination, Failure, Place, catch_unwind};
use crate::journal::testing::shard;
use crate::unit::Unit;

pub fn what_was_written_has_happened_and_what_was_refused_has_not(mut place: Place) {
    let one = place.claim(shard(1));
    let unit = place.node().inserting(&one, 1);
    place.write(&[unit]).unwrap();
    assert!(place.node().happened());

    let unit = place.node().inserting(&one, 1);
    place.write(&[unit]).unwrap_err();
    assert!(!place.node().happened());
}

pub fn a_commit_that_fails_leaves_nothing_behind(mut place: Place) {
    place.restart("fail-commit=2");
    let mut fails = 0;

    for key in 1..=4 {
        let mut one = place.claim(shard(1));
        let node = place.node();
        let units = [
            node.inserting(&one, key),
            node.sending(&mut one, &[shard(2)]),
        ];

        let is_there = match place.write(&units) {
            Ok(()) => true,
            Err(Failure::Store(error)) if error.is_transient() => false,
            Err(other) => panic!("{other:?}"),
        };
        fails += u32::from(!is_there);
        assert_eq!(place.node().happened(), is_there);
        assert_eq!(place.version(key).is_some(), is_there);
    }

    assert_eq!(fails, 2);
    assert_eq!(place.sequences(shard(1), Destination::Events), [1, 3]);
}

pub fn after_a_panic_it_is_known_what_has_happened_and_all_goes_on(mut place: Place) {
    place.restart("panic-journal=1");
    let mut happened = Vec::new();

    for key in 1..=4 {
        let mut one = place.claim(shard(1));
        let node = place.node();
        let units = [
            node.inserting(&one, key),
            node.sending(&mut one, &[shard(2)]),
        ];
        panicking_write(&mut place, &units);
        place.node().recover();

        happened.push(place.node().happened());
        let is_there = happened.last() == Some(&true);
        assert_eq!(place.version(key).is_some(), is_there);
    }

    assert_eq!(happened, [false, true, false, true]);
    assert_eq!(place.sequences(shard(1), Destination::Events), [1, 3]);
}

fn panicking_write(place: &mut Place, units: &[Unit]) {
    let node = place.node();
    let patience = node.patience();
    let batch = Batch {
        units,
        published: &[],
    };
    let written = catch_unwind(AssertUnwindSafe(|| {
        node.runtime.block_on(node.store.write(&batch, &patience))
    }));
    assert!(written.is_err(), "it panics");
}

pub fn everything_is_there_after_a_restart(mut place: Place) {
    let mut one = place.claim(shard(1));
    let node = place.node();
    let units = [
        node.inserting(&one, 1),
        node.sending(&mut one, &[shard(2)]),
        node.moving(&one, shard(3), 4),
    ];
    place.write(&units).unwrap();

    place.restart("");
    assert_eq!(place.version(1), Some(1));
    assert_eq!(place.sequences(shard(1), Destination::Shard(shard(2))), [2]);
    assert_eq!(place.position(shard(1), shard(3)), Some(4));
    assert_eq!(place.claim(shard(1)).epoch, one.epoch + 1);
}

pub fn a_node_that_dies_in_a_batch_leaves_nothing_of_it(mut place: Place) {
    place.restart("panic-journal=1");
    let one = place.claim(shard(1));
    let unit = place.node().inserting(&one, 1);
    panicking_write(&mut place, &[unit]);

    // Nobody recovers it. Another node does not wait for what the dead one held.
    place.restart("");
    let next = place.claim(shard(1));
    let unit = place.node().inserting(&next, 1);
    place.write(&[unit]).unwrap();
}
