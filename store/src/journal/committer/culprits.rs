//! What becomes of the units of a batch that was not written: the culprit is refused, what rests on
//! it is dropped, and the others are tried again without it.

use std::sync::Arc;

use sagas::ShardId;
use sagas::mistakes::{Mistake, makes};

use super::refused::Refused;
use super::{Committer, tell};
use crate::StoreError;
use crate::unit::{Fate, Unit};

impl Committer {
    /// Takes out the unit that was found wrong. Units of its shard before it are committed, as if
    /// it had not been in the batch; later ones rest on it and are dropped. Gives back what is
    /// left: the units of other shards.
    pub(super) async fn isolate(&mut self, refused: Refused) -> Vec<Unit> {
        let mut found = Vec::new();
        let mut later = Vec::new();

        let mut parts = refused.split();
        let mut others = std::mem::take(&mut parts.others);

        // Another one may be found among those before it. Then that one comes first.
        loop {
            found.extend(parts.culprit);
            later.push(parts.later);
            match self.try_to_commit(parts.before).await {
                Ok(()) => break,
                Err(refused) => parts = refused.split(),
            }
        }

        for (unit, error) in found.into_iter().rev() {
            self.refuse(unit, error);
        }

        for units in later.into_iter().rev() {
            others.extend(self.drop_failed(units));
        }

        others
    }

    /// Refuses a unit that was found wrong, unless one before it has failed: then it rested on
    /// what will never be, and is dropped with the others.
    fn refuse(&mut self, unit: Unit, error: StoreError) {
        let Some(culprit) = self.drop_failed(vec![unit]).pop() else {
            return;
        };

        // Another owner has taken the shard over: that is nobody's own data, and as it should be
        // while shards move.
        let stale = matches!(error, StoreError::StaleEpoch { .. });
        let shard = culprit.shard;
        match stale {
            true => {
                tracing::info!(%shard, error = %error, "a unit comes after its shard has moved")
            }
            false => tracing::warn!(%shard, error = %error, "a unit is refused, its shard reloads"),
        }
        self.instruments.culprits.increment(1);
        self.failed_epochs.insert(shard, culprit.epoch);

        let error = Arc::new(error);
        let fate = match stale {
            true => Fate::Dropped(error),
            false => Fate::Culprit(error),
        };
        tell(culprit.completion, fate);
    }

    pub(super) fn drop_failed(&self, units: Vec<Unit>) -> Vec<Unit> {
        if self.failed_epochs.is_empty() || makes(Mistake::EpochNotCompared) {
            return units;
        }

        let mut kept = Vec::with_capacity(units.len());

        for unit in units {
            match self.failed_epochs.get(&unit.shard) {
                Some(failed) if unit.epoch <= *failed => {
                    let reason = self.reason(StoreError::StaleEpoch {
                        shard: unit.shard,
                        held: unit.epoch,
                        current: failed + 1,
                    });
                    tell(unit.completion, Fate::Dropped(Arc::new(reason)));
                }
                _ => kept.push(unit),
            }
        }

        kept
    }

    pub(super) fn fail_all(&mut self, units: Vec<Unit>, error: StoreError) {
        let error = Arc::new(self.reason(error));
        for unit in units {
            self.fail_epoch(unit.shard, unit.epoch);
            tell(unit.completion, Fate::Dropped(Arc::clone(&error)));
        }
    }

    pub(super) fn fail_epoch(&mut self, shard: ShardId, epoch: u64) {
        let failed = self.failed_epochs.entry(shard).or_insert(epoch);
        *failed = epoch.max(*failed);
    }
}
