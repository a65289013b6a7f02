//! What a batch has written is a history that states are folded from, with snapshots and without.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use ::sagas::Timestamp;
use sea_orm::EntityTrait;
use uuid::Uuid;

use super::{Claim, Place, Prune, Unit};
use crate::journal::testing::shard;
use crate::loading::Found;
use crate::replay::{self, Fold, Replayed};
use crate::tables::entity_snapshot;
use crate::unit::Outgoing;
use crate::{Message, StoreError};

/// More than are read at once.
const MANY: u64 = 1_100;
const FORM: u16 = 2;

const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);

/// The versions of all events that were folded, which shows their order and that none is missing.
fn next(before: Option<Vec<u64>>, _: Uuid, message: &Message) -> Result<Vec<u64>, StoreError> {
    let mut versions = before.unwrap_or_default();
    versions.push(message.version);
    Ok(versions)
}

/// All events, folded from the first one on.
fn whole(newest: u64) -> (Vec<u64>, u64) {
    ((1..=newest).collect(), 0)
}

/// Events from that of a snapshot on.
fn folded(versions: RangeInclusive<u64>) -> (Vec<u64>, u64) {
    let snapshot = *versions.start();
    (versions.collect(), snapshot)
}

impl Place {
    /// The events of these versions of an entity, one unit each.
    fn happens(&mut self, claim: &mut Claim, entity: Uuid, versions: impl Iterator<Item = u64>) {
        let units: Vec<Unit> = versions
            .map(|version| {
                let unit = self.node().sending(claim, &[]);
                let outgoing = unit.outgoing.map(|outgoing| Outgoing {
                    entity,
                    first_version: version,
                    ..outgoing
                });
                Unit { outgoing, ..unit }
            })
            .collect();
        for batch in units.chunks(100) {
            self.write(batch).unwrap();
        }
    }

    fn snapshot(&mut self, claim: &Claim, entity: Uuid, version: u64, state: &[u64]) {
        let row = replay::snapshot_row(entity, version, FORM, &state).unwrap();
        let unit = self.node().unit(claim, vec![row]);
        self.write(&[unit]).unwrap();
    }

    fn replayed(&self, ids: &[Uuid], form: Option<u16>) -> Found<Uuid, Replayed<Vec<u64>>> {
        let fold = Fold { next: &next, form };
        let states = replay::states(&self.database, shard(1), ids, fold);
        self.runtime.block_on(states).unwrap()
    }

    /// The state and the version of the snapshot that was begun with.
    fn state(&self, id: Uuid, form: Option<u16>) -> (Vec<u64>, u64) {
        let mut found = self.replayed(&[id], form);
        let replayed = found.remove(&id).unwrap().unwrap();
        assert_eq!(replayed.state.last(), Some(&replayed.version));
        (replayed.state, replayed.snapshot)
    }
}

pub fn a_history_is_folded_whole_and_in_order(mut place: Place) {
    let mut one = place.claim(shard(1));
    place.happens(&mut one, A, 1..=MANY);

    assert_eq!(place.state(A, None), whole(MANY));
    assert!(
        place.replayed(&[B], None).is_empty(),
        "nothing has happened to it"
    );
}

pub fn many_histories_are_read_at_once(mut place: Place) {
    let mut one = place.claim(shard(1));
    let ids: Vec<_> = (1..=150).map(Uuid::from_u128).collect();
    for (id, events) in ids.iter().zip((1..20).cycle()) {
        place.happens(&mut one, *id, 1..=events);
    }

    let found = place.replayed(&ids, None);
    let versions: HashMap<_, _> = found
        .into_iter()
        .map(|(id, replayed)| (id, replayed.unwrap().version))
        .collect();
    let expected = ids.iter().copied().zip((1..20).cycle()).collect();
    assert_eq!(versions, expected);
}

pub fn a_history_with_a_hole_is_nobody_elses_business(mut place: Place) {
    let mut one = place.claim(shard(1));
    place.happens(&mut one, A, [1, 2, 4].into_iter());
    place.happens(&mut one, B, 1..=3);

    let mut found = place.replayed(&[A, B], None);
    let hole = found.remove(&A).unwrap().unwrap_err().chain();
    assert!(hole.contains("event 3 is missing before event 4"), "{hole}");
    assert_eq!(found.remove(&B).unwrap().unwrap().version, 3);
}

pub fn a_snapshot_spares_what_is_before_it(mut place: Place) {
    let mut one = place.claim(shard(1));
    place.happens(&mut one, A, 1..=30);
    place.happens(&mut one, B, 1..=5);
    place.snapshot(&one, A, 20, &[20]);
    assert_eq!(place.state(A, Some(FORM)), folded(20..=30));
    assert_eq!(place.state(A, None), whole(30));

    // The next one takes its place; others have none.
    place.snapshot(&one, A, 30, &[30]);
    assert_eq!(place.state(A, Some(FORM)), (vec![30], 30));
    assert_eq!(place.state(B, Some(FORM)), whole(5));
    let kept = entity_snapshot::Entity::find().all(&place.database.read);
    assert_eq!(place.runtime.block_on(kept).unwrap().len(), 1);
}

pub fn a_snapshot_that_the_history_does_not_bear_out_is_not_used(mut place: Place) {
    let mut one = place.claim(shard(1));
    place.happens(&mut one, A, 1..=5);
    let all = whole(5);

    place.snapshot(&one, A, 6, &[6]);
    assert_eq!(place.state(A, Some(FORM)), all, "it is newer");
    place.snapshot(&one, A, 5, &[5]);
    assert_eq!(place.state(A, Some(FORM + 1)), all, "it is of another form");
    place.snapshot(&one, A, 0, &[5]);
    assert_eq!(place.state(A, Some(FORM)), all, "it is of no version");
}

pub fn what_is_pruned_is_no_part_of_a_history(mut place: Place) {
    let mut one = place.claim(shard(1));
    for version in 1..=5 {
        let mut unit = place.node().sending(&mut one, &[shard(2)]);
        if let Some(outgoing) = &mut unit.outgoing {
            (outgoing.entity, outgoing.first_version) = (A, version);
        }
        place.write(&[unit]).unwrap();
    }

    let prune = Prune {
        shard: shard(1),
        epoch: one.epoch,
        up_to: u64::MAX >> 1,
        before: Timestamp::from_micros(i64::MAX),
        rows: 1000,
    };
    assert!(place.node().prune(prune).unwrap().rows > 0);
    assert_eq!(place.state(A, None), whole(5));
}
