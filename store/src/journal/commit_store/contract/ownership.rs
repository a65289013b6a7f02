//! Who may write: the owner that claimed a shard last, and nobody else.

use super::{Destination, Message, Place, Published, culprit};
use crate::StoreError;
use crate::journal::commit_store::{Claim, Failure};
use crate::journal::testing::shard;
use crate::log::Heads;
use crate::outbox;

pub fn each_claim_raises_the_epoch_of_its_shard_and_of_no_other(mut place: Place) {
    let first = place.claim(shard(1));
    assert_eq!((first.epoch, first.next_sequence), (1, 1));
    assert_eq!((first.published, &first.heads), (0, &Heads::default()));

    assert_eq!(place.claim(shard(2)).epoch, 1);
    assert_eq!(place.claim(shard(1)).epoch, 2);
    place.restart("");
    assert_eq!(place.claim(shard(1)).epoch, 3);
    assert_eq!(place.claim(shard(2)).epoch, 2);
}

pub fn a_shard_that_nobody_has_taken_over_since_is_claimed_again(mut place: Place) {
    let first = place.claim(shard(1));
    let again = place.node().claim_again(&first).unwrap();
    assert_eq!(again.epoch, first.epoch + 1);

    // What was held before is over, also for whoever has held it.
    let unit = place.node().inserting(&first, 1);
    assert_eq!(culprit(place.write(&[unit])), 0);
    let unit = place.node().inserting(&again, 1);
    place.write(&[unit]).unwrap();
}

pub fn a_shard_that_another_owner_has_is_not_claimed_again(mut place: Place) {
    let old = place.claim(shard(1));
    let never_held = Claim {
        shard: shard(2),
        ..old.clone()
    };
    let mut other = place.another("");
    let new = other.claim(shard(1));

    for held in [&old, &never_held] {
        let refused = place.node().claim_again(held).unwrap_err();
        assert!(
            matches!(refused, StoreError::StaleEpoch { .. }),
            "{refused}"
        );
    }

    // It goes on with whatever it still has, and so does the other.
    let held = place.claim(shard(3));
    let unit = place.node().inserting(&held, 2);
    place.write(&[unit]).unwrap();
    let unit = other.inserting(&new, 1);
    other.write(&[unit], &[]).unwrap();
    assert_eq!(place.claim(shard(2)).epoch, 1);
}

pub fn an_owner_that_was_replaced_writes_nothing_any_more(mut place: Place) {
    let mut old = place.claim(shard(1));
    let unit = place.node().inserting(&old, 1);
    place.write(&[unit]).unwrap();

    let mut other = place.another("");
    let new = other.claim(shard(1));
    assert_eq!(new.epoch, old.epoch + 1);

    // Inserts, updates, messages and positions alike.
    let node = place.node();
    let units = [
        node.inserting(&old, 2),
        node.updating(&old, 1, 1),
        node.sending(&mut old, &[shard(2)]),
        node.moving(&old, shard(3), 1),
    ];
    for unit in units {
        let Err(Failure::Unit { index: 0, error }) = place.write(&[unit]) else {
            panic!("it is written");
        };
        assert!(matches!(error, StoreError::StaleEpoch { .. }), "{error}");
    }

    let unit = other.updating(&new, 1, 1);
    other.write(&[unit], &[]).unwrap();
    assert_eq!((place.version(1), place.version(2)), (Some(2), None));
    assert!(place.sequences(shard(1), Destination::Events).is_empty());
    assert_eq!(place.position(shard(1), shard(3)), None);
}

pub fn a_unit_of_an_epoch_that_nobody_has_claimed_is_refused(mut place: Place) {
    let mut claim = place.claim(shard(1));
    claim.epoch += 1;
    let unit = place.node().inserting(&claim, 1);
    assert_eq!(culprit(place.write(&[unit])), 0);

    claim.shard = shard(2);
    let unit = place.node().inserting(&claim, 1);
    assert_eq!(culprit(place.write(&[unit])), 0);
    assert_eq!(place.version(1), None);
}

pub fn the_next_owner_goes_on_where_the_outbox_ends(mut place: Place) {
    let mut claim = place.claim(shard(1));
    let node = place.node();
    let units = [
        node.sending(&mut claim, &[shard(2), shard(3)]),
        node.sending(&mut claim, &[shard(2)]),
    ];
    place.write(&units).unwrap();

    place.restart("");
    let next = place.claim(shard(1));
    assert_eq!(next.next_sequence, 6);
    let newest = |to| next.heads.newest(to);
    assert_eq!(newest(Destination::Events), 4);
    assert_eq!(newest(Destination::Shard(shard(2))), 5);
    assert_eq!(newest(Destination::Shard(shard(3))), 3);
    assert_eq!((next.published, next.heads.published()), (0, 5));
}

/// The heads behind a unit, as the log has them.
fn behind(unit: &crate::unit::Unit) -> Heads {
    let mut heads = Heads::default();
    let outgoing = unit.outgoing.clone().unwrap();
    let messages: Vec<Message> = outbox::from_outgoing(unit.shard, outgoing).collect();
    for message in &messages {
        heads.advance(message);
    }
    heads
}

pub fn what_is_published_is_noted_for_the_next_owner(mut place: Place) {
    let mut claim = place.claim(shard(1));
    let first = place.node().sending(&mut claim, &[shard(2)]);
    let second = place.node().sending(&mut claim, &[shard(3)]);
    let note = Published {
        shard: shard(1),
        epoch: claim.epoch,
        heads: behind(&first),
    };
    place.write(&[first]).unwrap();
    place.node().write(&[second], &[note]).unwrap();

    place.restart("");
    let next = place.claim(shard(1));
    assert_eq!((next.published, next.heads.published()), (2, 4));
    assert_eq!(next.heads.newest(Destination::Shard(shard(2))), 2);
    assert_eq!(next.heads.newest(Destination::Shard(shard(3))), 4);
}

pub fn nothing_is_noted_for_an_owner_that_was_replaced(mut place: Place) {
    let mut old = place.claim(shard(1));
    let first = place.node().sending(&mut old, &[shard(2)]);
    let note = Published {
        shard: shard(1),
        epoch: old.epoch,
        heads: behind(&first),
    };
    place.write(&[first]).unwrap();
    let mut other = place.another("");
    other.claim(shard(1));

    // It may still write for shards that it holds.
    let held = place.claim(shard(2));
    let unit = place.node().inserting(&held, 1);
    place.node().write(&[unit], &[note]).unwrap();
    assert_eq!(place.version(1), Some(1));
    assert_eq!(other.claim(shard(1)).published, 0);
}
