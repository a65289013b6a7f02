//! A batch that was not written, because the data of one unit are wrong.

use crate::StoreError;
use crate::unit::Unit;

pub(super) struct Refused {
    pub units: Vec<Unit>,
    /// The unit that was found wrong.
    pub index: usize,
    pub error: StoreError,
}

/// The units of such a batch, by what is to become of them.
pub(super) struct Split {
    /// Of the culprit's shard, what came before it.
    pub before: Vec<Unit>,
    pub culprit: Option<(Unit, StoreError)>,
    /// Of the culprit's shard, what came after it.
    pub later: Vec<Unit>,
    /// Of other shards.
    pub others: Vec<Unit>,
}

impl Refused {
    pub(super) fn split(self) -> Split {
        let shard = self.units.get(self.index).map(|unit| unit.shard);

        let mut split = Split {
            before: Vec::new(),
            culprit: None,
            later: Vec::new(),
            others: Vec::with_capacity(self.units.len()),
        };

        let mut error = Some(self.error);

        for (index, unit) in self.units.into_iter().enumerate() {
            if Some(unit.shard) != shard {
                split.others.push(unit);
            } else if index < self.index {
                split.before.push(unit);
            } else if let Some(error) = error.take() {
                split.culprit = Some((unit, error));
            } else {
                split.later.push(unit);
            }
        }

        split
    }
}
