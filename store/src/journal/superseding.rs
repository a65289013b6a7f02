//! Updates of one row by several units of a batch are written once: the last state, compared with
//! the version that the first had seen. That is what lets a hot entity take part in a batch many
//! times.
//!
//! They are written in the place of the first. So whoever expects the wrong version is met in the
//! order of the units, and it is the first of them that is found wrong, not the last that built
//! on it. An update that does not expect what the one before it leaves begins anew: the database
//! compares its version too, and finds it wrong.

use foldhash::HashMap;
use sagas::mistakes::{Mistake, makes};
use uuid::Uuid;

use crate::row_changes::{Operation, RowChange};
use crate::unit::Unit;

/// How one row of a batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// With its own values.
    AsItIs,
    /// With the values of a later update.
    InTheStateOf(Place),
    /// Not at all: an earlier update writes its values, or those of a later one.
    ByAnother,
}

/// Where a row stands in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub unit: usize,
    pub row: usize,
}

/// Updates of one row, each of which expects what the one before it leaves.
struct Chain {
    /// The first one, counted over all rows of the batch.
    first: usize,
    /// The version that the last one leaves.
    version: Option<u64>,
}

/// Says of each row of a batch, in order, how it is written. Empty when each is written as it is.
pub(super) fn plan(units: &[Unit]) -> Vec<Written> {
    if units.len() < 2 {
        return Vec::new();
    }

    let rows = units.iter().map(|unit| unit.rows.len()).sum();
    let mut plan = vec![Written::AsItIs; rows];
    let mut chains: HashMap<(&'static str, Uuid), Chain> = HashMap::default();

    for (index, (place, row)) in places(units).enumerate() {
        let key = (row.table.name, row.key);

        let Operation::Update { expected_version } = row.operation else {
            // What is updated after this is another row, or one that was not there before.
            if !chains.is_empty() {
                chains.remove(&key);
            }
            continue;
        };

        let left = row.new_version();

        match chains.get_mut(&key) {
            Some(chain) if chain.version == Some(expected_version) => {
                chain.version = left;
                if !makes(Mistake::FirstStateWritten) {
                    set(&mut plan, chain.first, Written::InTheStateOf(place));
                }
                set(&mut plan, index, Written::ByAnother);
            }
            _ => {
                let begun = Chain {
                    first: index,
                    version: left,
                };
                chains.insert(key, begun);
            }
        }
    }

    plan
}

fn places(units: &[Unit]) -> impl Iterator<Item = (Place, &RowChange)> {
    units.iter().enumerate().flat_map(|(unit, of_unit)| {
        let rows = of_unit.rows.iter().enumerate();
        rows.map(move |(row, change)| (Place { unit, row }, change))
    })
}

fn set(plan: &mut [Written], index: usize, written: Written) {
    if let Some(entry) = plan.get_mut(index) {
        *entry = written;
    }
}

#[cfg(test)]
mod tests {
    use sagas::ShardId;

    use super::Written::{AsItIs, ByAnother, InTheStateOf};
    use super::*;
    use crate::journal::testing;
    use crate::testing::BOOKINGS;

    fn unit(rows: Vec<RowChange>) -> Unit {
        Unit {
            rows,
            ..testing::unit(ShardId::new(BOOKINGS, 0), 1, 1)
        }
    }

    fn update(key: u128, from: u64, to: u64) -> RowChange {
        testing::row(key, to).update_from(from)
    }

    fn at(unit: usize) -> Written {
        InTheStateOf(Place { unit, row: 0 })
    }

    #[test]
    fn the_first_update_of_a_row_writes_the_last_state() {
        let units = [
            unit(vec![update(1, 1, 2)]),
            unit(vec![update(2, 1, 2)]),
            unit(vec![update(1, 2, 5)]),
            unit(vec![update(1, 5, 6)]),
        ];
        assert_eq!(plan(&units), [at(3), AsItIs, ByAnother, ByAnother]);
        assert_eq!(plan(&units[..1]), []);
    }

    #[test]
    fn an_update_that_expects_another_version_than_the_one_before_it_leaves_is_compared_too() {
        let units = [
            unit(vec![update(1, 1, 2)]),
            unit(vec![update(1, 2, 3)]),
            unit(vec![update(1, 2, 3)]),
            unit(vec![update(1, 3, 4)]),
        ];
        assert_eq!(plan(&units), [at(1), ByAnother, at(3), ByAnother]);
    }

    #[test]
    fn an_update_of_a_row_that_was_removed_and_written_anew_has_nothing_to_do_with_those_before() {
        let units = [
            unit(vec![update(1, 1, 2)]),
            unit(vec![testing::row(1, 2).delete()]),
            unit(vec![testing::row(1, 2).insert()]),
            unit(vec![update(1, 2, 3)]),
        ];
        assert_eq!(plan(&units), [AsItIs; 4]);
    }
}
