//! What a batch leaves behind: all of it, or nothing and a name.

use std::time::Duration;

use ::sagas::Timestamp;
use uuid::Uuid;

use super::{Destination, Place, Published, culprit};
use crate::journal::testing::{row, shard};
use crate::log::{Heads, SourceStream, Stream};
use crate::testing::ROOMS;
use crate::timers::{StoredTimer, TimerChange, TimerSet};
use crate::unit::Unit;

const X: u128 = 1;
const Y: u128 = 2;

pub fn a_batch_is_readable_as_soon_as_it_is_written(mut place: Place) {
    let mut one = place.claim(shard(1));
    let two = place.claim(shard(2));
    let node = place.node();
    let units = [
        node.inserting(&one, X),
        node.sending(&mut one, &[shard(2), shard(3)]),
        node.moving(&two, shard(1), 7),
        node.sending(&mut one, &[shard(3)]),
    ];
    place.write(&units).unwrap();

    let to = |number| Destination::Shard(shard(number));
    assert_eq!(place.version(X), Some(1));
    assert_eq!(place.sequences(shard(1), Destination::Events), [1, 4]);
    assert_eq!(place.sequences(shard(1), to(2)), [2]);
    assert_eq!(place.sequences(shard(1), to(3)), [3, 5]);
    assert_eq!(place.position(shard(2), shard(1)), Some(7));
}

pub fn the_first_message_of_a_version_notes_it(mut place: Place) {
    let mut one = place.claim(shard(1));
    let node = place.node();
    let refused = [
        node.sending(&mut one, &[shard(2)]),
        node.updating(&one, Y, 5),
    ];
    place.write(&refused).unwrap_err();
    assert_eq!(place.noted("test.happened"), None);

    for version in [1, 10, 9] {
        let mut one = place.claim(shard(1));
        let mut sending = place.node().sending(&mut one, &[shard(2)]);
        let sent = sending.outgoing.as_mut().unwrap();
        sent.events[0].type_version = version;
        place.write(&[sending]).unwrap();

        let newest = if version == 1 { "1" } else { "10" };
        assert_eq!(place.noted("test.happened").as_deref(), Some(newest));
        assert_eq!(place.noted("test.do").as_deref(), Some("1"));
    }
}

pub fn nothing_of_a_batch_with_a_wrong_unit_is_written(mut place: Place) {
    let mut one = place.claim(shard(1));
    let two = place.claim(shard(2));
    let node = place.node();
    let units = [
        node.inserting(&one, X),
        node.sending(&mut one, &[shard(3)]),
        node.moving(&one, shard(3), 1),
        node.updating(&two, Y, 5),
        node.inserting(&two, 3),
    ];
    assert_eq!(culprit(place.write(&units)), 3);

    assert_eq!((place.version(X), place.version(3)), (None, None));
    assert!(place.sequences(shard(1), Destination::Events).is_empty());
    assert_eq!(place.position(shard(1), shard(3)), None);
    assert_eq!(place.claim(shard(1)).next_sequence, 1);
}

pub fn the_first_wrong_unit_of_a_shard_is_named(mut place: Place) {
    let (one, two) = (place.claim(shard(1)), place.claim(shard(2)));
    let node = place.node();
    let units = [
        node.inserting(&one, X),
        node.updating(&two, 5, 3),
        node.updating(&two, 6, 3),
        node.updating(&one, 7, 3),
        node.updating(&one, X, 9),
    ];
    // Which of the two shards comes first is the store's to choose.
    let named = culprit(place.write(&units));
    assert!(named == 1 || named == 3, "{named}");
}

pub fn without_its_culprit_a_batch_is_written(mut place: Place) {
    let one = place.claim(shard(1));
    let node = place.node();
    let mut units = vec![
        node.inserting(&one, X),
        node.updating(&one, Y, 1),
        node.updating(&one, X, 1),
    ];
    let named = culprit(place.write(&units));
    assert_eq!(named, 1);
    units.remove(named);
    place.write(&units).unwrap();
    assert_eq!(place.version(X), Some(2));
}

pub fn a_row_that_many_units_change_is_left_in_its_last_state(mut place: Place) {
    let one = place.claim(shard(1));
    let node = place.node();
    let units = [
        node.inserting(&one, X),
        node.updating(&one, X, 1),
        node.inserting(&one, Y),
        node.updating(&one, X, 2),
        node.unit(&one, vec![row(X, 7).update_from(3)]),
    ];
    place.write(&units).unwrap();
    assert_eq!((place.version(X), place.version(Y)), (Some(7), Some(1)));

    let node = place.node();
    let units = [node.updating(&one, X, 7), node.updating(&one, X, 8)];
    place.write(&units).unwrap();
    assert_eq!(place.version(X), Some(9));
}

pub fn an_update_that_expects_another_version_is_refused(mut place: Place) {
    let one = place.claim(shard(1));
    let unit = place.node().inserting(&one, X);
    place.write(&[unit]).unwrap();

    // Whoever builds on it is not to blame.
    let node = place.node();
    let units = [
        node.inserting(&one, Y),
        node.updating(&one, X, 3),
        node.updating(&one, X, 4),
        node.updating(&one, X, 5),
    ];
    assert_eq!(culprit(place.write(&units)), 1);
    assert_eq!((place.version(X), place.version(Y)), (Some(1), None));
}

pub fn an_update_that_does_not_follow_on_the_one_before_it_is_refused(mut place: Place) {
    let one = place.claim(shard(1));
    let unit = place.node().inserting(&one, X);
    place.write(&[unit]).unwrap();

    for wrong in [1, 2, 4, 9] {
        let node = place.node();
        let units = [
            node.updating(&one, X, 1),
            node.updating(&one, X, 2),
            node.updating(&one, X, wrong),
            node.updating(&one, X, wrong + 1),
        ];
        assert_eq!(culprit(place.write(&units)), 2, "{wrong} instead of 3");
    }
}

pub fn what_is_not_there_is_neither_updated_nor_removed(mut place: Place) {
    let one = place.claim(shard(1));
    let node = place.node();
    let units = [
        node.inserting(&one, X),
        node.unit(&one, vec![row(Y, 1).delete()]),
    ];
    assert_eq!(culprit(place.write(&units)), 1);

    let unit = place.node().updating(&one, Y, 1);
    assert_eq!(culprit(place.write(&[unit])), 0);
}

pub fn what_is_there_is_not_inserted_again(mut place: Place) {
    let one = place.claim(shard(1));
    let unit = place.node().inserting(&one, X);
    place.write(&[unit]).unwrap();

    let node = place.node();
    let units = [node.updating(&one, X, 1), node.inserting(&one, X)];
    assert_eq!(culprit(place.write(&units)), 1);
    assert_eq!(place.version(X), Some(1));
}

pub fn a_row_can_be_removed_and_inserted_anew_in_one_batch(mut place: Place) {
    let one = place.claim(shard(1));
    let unit = place.node().inserting(&one, X);
    place.write(&[unit]).unwrap();

    let node = place.node();
    let units = [
        node.updating(&one, X, 1),
        node.unit(&one, vec![row(X, 2).delete()]),
        node.unit(&one, vec![row(X, 2).insert()]),
        node.updating(&one, X, 2),
    ];
    place.write(&units).unwrap();
    assert_eq!(place.version(X), Some(3));

    let node = place.node();
    let units = [
        node.updating(&one, X, 3),
        node.unit(&one, vec![row(X, 4).delete()]),
        node.updating(&one, X, 4),
    ];
    assert_eq!(culprit(place.write(&units)), 2);
}

pub fn a_row_that_is_replaced_is_the_last_one_whatever_was_there(mut place: Place) {
    let one = place.claim(shard(1));
    let node = place.node();
    let replaced = |version| vec![row(X, version).replace()];
    let units = [
        node.unit(&one, replaced(5)),
        node.unit(&one, replaced(3)),
        node.unit(&one, vec![row(Y, 1).replace()]),
    ];
    place.write(&units).unwrap();
    assert_eq!((place.version(X), place.version(Y)), (Some(3), Some(1)));

    // Among other changes of the row, too.
    let node = place.node();
    let units = [
        node.updating(&one, X, 3),
        node.unit(&one, replaced(9)),
        node.updating(&one, X, 9),
        node.unit(&one, vec![row(X, 10).delete()]),
        node.unit(&one, replaced(2)),
    ];
    place.write(&units).unwrap();
    assert_eq!(place.version(X), Some(2));
}

pub fn a_sequence_is_given_once(mut place: Place) {
    let mut one = place.claim(shard(1));
    let mut again = one.clone();
    let node = place.node();
    let units = [
        node.sending(&mut one, &[shard(2)]),
        node.sending(&mut again, &[shard(3)]),
    ];
    assert_eq!(culprit(place.write(&units)), 1);
    assert!(place.sequences(shard(1), Destination::Events).is_empty());
}

pub fn each_source_has_a_position_of_its_own_and_the_last_one_counts(mut place: Place) {
    let (one, two) = (place.claim(shard(1)), place.claim(shard(2)));
    let elsewhere = sagas::ShardId::new(ROOMS, 3);
    let node = place.node();
    let units = [
        node.moving(&one, shard(3), 4),
        node.moving(&one, elsewhere, 9),
        node.moving(&one, shard(3), 6),
        node.moving(&two, shard(3), 5),
    ];
    place.write(&units).unwrap();
    assert_eq!(place.position(shard(1), shard(3)), Some(6));
    assert_eq!(place.position(shard(1), elsewhere), Some(9));
    assert_eq!(place.position(shard(2), shard(3)), Some(5));

    let unit = place.node().moving(&one, shard(3), 8);
    place.write(&[unit]).unwrap();
    assert_eq!(place.position(shard(1), shard(3)), Some(8));
    assert_eq!(place.position(shard(1), elsewhere), Some(9));
}

pub fn both_streams_of_a_source_have_positions_of_their_own(mut place: Place) {
    let one = place.claim(shard(1));
    let events = SourceStream {
        source: shard(3),
        stream: Stream::Events,
    };
    let node = place.node();
    let followed = Unit {
        position: Some((events, 7)),
        ..node.moving(&one, shard(3), 0)
    };
    let units = [node.moving(&one, shard(3), 4), followed];
    place.write(&units).unwrap();

    assert_eq!(place.position(shard(1), shard(3)), Some(4));
    assert_eq!(place.position_in(shard(1), events), Some(7));
}

pub fn a_batch_may_hold_nothing_but_notes(mut place: Place) {
    let one = place.claim(shard(1));
    let note = Published {
        shard: shard(1),
        epoch: one.epoch,
        heads: Heads::default(),
    };
    place.node().write(&[], &[note]).unwrap();
    assert!(place.node().happened());
}

pub fn a_timer_is_set_moved_and_removed_with_its_unit(mut place: Place) {
    let (one, two) = (place.claim(shard(1)), place.claim(shard(2)));
    let node = place.node();
    let set = |at| TimerSet {
        wake_at: Timestamp::from_micros(at),
        patience: Duration::from_secs(5),
        waits_for: Uuid::from_u128(9),
    };
    let timed = |unit, id, set| Unit {
        timer: Some(TimerChange {
            id: Uuid::from_u128(id),
            set,
        }),
        ..unit
    };

    // Removing what is not there harms nobody: its row may have been lost.
    let units = [
        timed(node.unit(&one, Vec::new()), X, Some(set(1))),
        timed(node.unit(&two, Vec::new()), Y, Some(set(2))),
        timed(node.unit(&one, Vec::new()), X, Some(set(3))),
        timed(node.unit(&one, Vec::new()), 3, None),
    ];
    place.write(&units).unwrap();
    let stored = |set| StoredTimer {
        id: Uuid::from_u128(X),
        set,
    };
    assert_eq!(place.timers(shard(1)), [stored(set(3))]);
    assert_eq!(place.timers(shard(2)).len(), 1);

    // What stands beside a culprit is not set either.
    let node = place.node();
    let units = [
        timed(node.unit(&one, Vec::new()), X, None),
        node.updating(&two, Y, 5),
    ];
    assert_eq!(culprit(place.write(&units)), 1);
    assert_eq!(place.timers(shard(1)).len(), 1);

    place.write(&units[..1]).unwrap();
    assert!(place.timers(shard(1)).is_empty());
}
