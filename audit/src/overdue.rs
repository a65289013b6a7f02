//! What should have happened by now while a node runs, and has not.
//!
//! A node that was away for a while finds deadlines long past, and meets them one after the other
//! once its shards are open. So whatever looks overdue is looked at again, and only what has stood
//! still meanwhile is told.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use domain::Timestamp;
use store::snapshot::Snapshot;
use store::{ServiceDatabase, StoreError};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::problem::Problem;

/// How long after its deadline a running node may take to act, in microseconds.
const GRACE_MICROS: i64 = 60_000_000;
/// Looked again after this time.
const PAUSE: Duration = Duration::from_millis(500);
/// Looks at this many at most again. More are told once some of these stand still.
const AT_MOST: usize = 10_000;

/// Whether a running node should have acted on a deadline by now.
pub(super) fn is_overdue(deadline: Timestamp, now: Timestamp) -> bool {
    now.micros().saturating_sub(deadline.micros()) > GRACE_MICROS
}

/// What looks overdue, by id.
#[derive(Debug, Default)]
pub(super) struct Overdue(BTreeMap<Uuid, Suspect>);

/// What another look finds, by id: that number, unless it cannot be read.
type Looked = HashMap<Uuid, Option<i64>>;

#[derive(Debug)]
struct Suspect {
    /// A number that any change of it changes.
    seen: i64,
    /// What is told of it, should it stand still.
    problem: Problem,
}

impl Overdue {
    pub(super) fn add(&mut self, id: Uuid, seen: i64, problem: Problem) {
        if self.0.len() < AT_MOST {
            self.0.insert(id, Suspect { seen, problem });
        }
    }

    /// What is wrong with those that stand still: looked at again for as long as some of them move,
    /// and `patience` longer.
    pub(super) async fn that_stand_still(
        mut self,
        database: &ServiceDatabase,
        patience: Duration,
        look: impl AsyncFn(&Snapshot, &[Uuid]) -> Result<Looked, StoreError>,
    ) -> Result<Vec<Problem>, StoreError> {
        let mut last_look = Instant::now() + patience;

        while !self.0.is_empty() {
            let ids: Vec<_> = self.0.keys().copied().collect();
            let snapshot = Snapshot::begin(database).await?;
            let found = look(&snapshot, &ids).await?;
            snapshot.end().await?;

            self.0
                .retain(|id, suspect| found.get(id) == Some(&Some(suspect.seen)));
            if self.0.len() < ids.len() {
                last_look = Instant::now() + patience;
            } else if Instant::now() >= last_look {
                break;
            }
            sleep(PAUSE.min(patience)).await;
        }

        let problems = self.0.into_values().map(|suspect| suspect.problem);
        Ok(problems.collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use store::services::orders;

    use super::*;
    use crate::tests::run;
    use crate::tests::shop::Left;

    const LONG: Duration = Duration::from_secs(600);

    /// What is told of two that were seen at 1, looked at by `look`.
    fn told(
        patience: Duration,
        look: impl AsyncFn(&Snapshot, &[Uuid]) -> Result<Looked, StoreError>,
    ) -> Vec<String> {
        let mut overdue = Overdue::default();
        for name in [1, 2] {
            let problem = Problem::new(name, "state", "an end", "none");
            overdue.add(Uuid::from_u128(name), 1, problem);
        }

        let folder = Left::behind().copy();
        run(async {
            let database = ServiceDatabase::open_to_read(orders::SCHEMA, folder.path());
            let database = database.await.unwrap();
            let late = overdue.that_stand_still(&database, patience, look).await;
            late.unwrap().iter().map(Problem::to_string).collect()
        })
    }

    #[test]
    fn what_moves_when_it_is_looked_at_again_is_not_told_and_what_stands_still_is() {
        // The first has ended or moved on, the second has not.
        let late = told(Duration::ZERO, async |_: &Snapshot, _: &[Uuid]| {
            Ok([(Uuid::from_u128(1), Some(2)), (Uuid::from_u128(2), Some(1))].into())
        });
        assert_eq!(late, ["2: state: expected an end, found none"]);
    }

    #[test]
    fn what_a_node_comes_to_later_is_not_told() {
        let looks = AtomicUsize::new(0);
        let late = told(LONG, async |_: &Snapshot, ids: &[Uuid]| {
            let has_begun = looks.fetch_add(1, Ordering::Relaxed) > 1;
            let version = Some(if has_begun { 2 } else { 1 });
            Ok(ids.iter().map(|id| (*id, version)).collect())
        });
        assert_eq!(late, [""; 0]);
    }
}
