//! Faults that a test asks for, so that what must survive them can be tested on the real thing.
//!
//! Read from `COUNTERFOIL_FAULTS`, a comma-separated list; empty in production.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::StoreError;

/// Which faults to bring about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// Every delivery of log messages comes twice.
    pub deliver_twice: bool,
    /// Every N-th delivery is lost on the way.
    pub lose_message: Option<u64>,
    /// Every N-th commit of a journal fails after its work.
    pub fail_commit: Option<u64>,
    /// Every N-th commit of a journal panics: the first before it is durable, the next after it,
    /// and so on in turns.
    pub panic_journal: Option<u64>,
    /// By kind of entity, or `saga`: the label at which its actor panics. What a label is, the
    /// service says that keeps the entity.
    pub panic_at: BTreeMap<String, String>,
    /// Every N-th turn of a shard panics outside its actors.
    pub panic_turn: Option<u64>,
    /// Actors panic only the first time in the life of the process.
    pub panic_once: bool,
}

/// A fault that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a fault; allowed: deliver-twice, lose-message=N, fail-commit=N, panic-journal=N, \
     panic-turn=N, panic-once, and panic-KIND=LABEL for an entity's kind or saga"
)]
pub struct UnknownFault(String);

impl FromStr for FaultPlan {
    type Err = UnknownFault;

    fn from_str(list: &str) -> Result<Self, UnknownFault> {
        let mut plan = FaultPlan::default();

        for entry in list
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let unknown = || UnknownFault(entry.to_owned());
            let every = |value: &str| {
                value
                    .parse()
                    .ok()
                    .filter(|n| *n > 0)
                    .map(Some)
                    .ok_or_else(unknown)
            };
            match entry.split_once('=').unwrap_or((entry, "")) {
                ("deliver-twice", "") => plan.deliver_twice = true,
                ("panic-once", "") => plan.panic_once = true,
                ("lose-message", n) => plan.lose_message = every(n)?,
                ("fail-commit", n) => plan.fail_commit = every(n)?,
                ("panic-journal", n) => plan.panic_journal = every(n)?,
                ("panic-turn", n) => plan.panic_turn = every(n)?,
                (fault, label) if !label.is_empty() => {
                    let kind = fault.strip_prefix("panic-").ok_or_else(unknown)?;
                    plan.panic_at.insert(kind.to_owned(), label.to_owned());
                }
                _ => return Err(unknown()),
            }
        }

        Ok(plan)
    }
}

/// The plan and how far it has been carried out. Cheap to clone: each actor has one.
#[derive(Clone, Debug, Default)]
pub struct Faults(
    /// Absent when nothing is to be brought about: then nothing is shared, and nothing counted.
    Option<Arc<Progress>>,
);

#[derive(Debug, Default)]
struct Progress {
    plan: FaultPlan,
    deliveries: AtomicU64,
    commits: AtomicU64,
    journal_commits: AtomicU64,
    panics: AtomicU64,
    turns: AtomicU64,
}

impl Faults {
    /// Brings these about.
    #[must_use]
    pub fn new(plan: FaultPlan) -> Self {
        let is_empty = plan == FaultPlan::default();
        Faults((!is_empty).then(|| {
            Arc::new(Progress {
                plan,
                ..Progress::default()
            })
        }))
    }

    /// How often the next delivery arrives: 0, 1 or 2 times.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        let Some(Progress {
            plan, deliveries, ..
        }) = self.0.as_deref()
        else {
            return 1;
        };

        match plan.lose_message {
            Some(n) if is_nth(deliveries, n) => 0,
            _ if plan.deliver_twice => 2,
            _ => 1,
        }
    }

    /// To be called by a commit store when a batch is written and not yet committed.
    ///
    /// # Errors
    /// When this commit is to fail.
    ///
    /// # Panics
    /// When it is to panic.
    pub fn before_commit(&self) -> Result<AfterCommit, StoreError> {
        let Some(progress) = self.0.as_deref() else {
            return Ok(AfterCommit { panics: false });
        };

        let fails = progress.plan.fail_commit;
        if fails.is_some_and(|n| is_nth(&progress.commits, n)) {
            return Err(StoreError::Injected("the commit fails"));
        }

        let Some(n) = progress.plan.panic_journal else {
            return Ok(AfterCommit { panics: false });
        };
        let count = progress.journal_commits.fetch_add(1, Ordering::Relaxed) + 1;
        let (panics, which) = (count.is_multiple_of(n), count / n);
        assert!(
            !panics || which.is_multiple_of(2),
            "injected fault: the journal panics before its commit"
        );

        Ok(AfterCommit { panics })
    }

    /// Panics in every N-th turn of a shard.
    ///
    /// # Panics
    /// That is what it is for.
    pub fn panic_in_turn(&self) {
        let hit = self.0.as_deref().is_some_and(|progress| {
            let every = progress.plan.panic_turn;
            every.is_some_and(|n| is_nth(&progress.turns, n))
        });
        assert!(!hit, "injected fault: panic of a shard");
    }

    /// Panics when the plan names this label of this kind of entity.
    ///
    /// # Panics
    /// That is what it is for.
    pub fn panic_at(&self, kind: &str, label: Option<&str>) {
        self.panic_when(self.plans(kind, label));
    }

    /// Whether the plan names this label of this kind of entity, or of `saga`.
    #[must_use]
    pub fn plans(&self, kind: &str, label: Option<&str>) -> bool {
        self.0.as_deref().is_some_and(|progress| {
            let planned = progress.plan.panic_at.get(kind);
            label.is_some() && planned.map(String::as_str) == label
        })
    }

    /// Panics when what the plan names has come; once, if it says so.
    ///
    /// # Panics
    /// That is what it is for.
    pub fn panic_when(&self, planned: bool) {
        let Some(progress) = self.0.as_deref().filter(|_| planned) else {
            return;
        };
        let first = progress.panics.fetch_add(1, Ordering::Relaxed) == 0;
        assert!(progress.plan.panic_once && !first, "injected fault: panic");
    }
}

/// What is to happen after a commit.
#[derive(Debug, Default)]
#[must_use]
pub struct AfterCommit {
    panics: bool,
}

impl AfterCommit {
    /// To be called when the batch is durable and nobody knows it yet.
    ///
    /// # Panics
    /// When that is what a test asks for.
    pub fn reached(self) {
        assert!(
            !self.panics,
            "injected fault: the journal panics after its commit"
        );
    }
}

fn is_nth(counter: &AtomicU64, n: u64) -> bool {
    (counter.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_list_and_refuses_what_it_does_not_know() {
        let plan: FaultPlan = "deliver-twice, lose-message=7,panic-room=Blue"
            .parse()
            .unwrap();
        assert!(plan.deliver_twice && plan.lose_message == Some(7));
        let blue = ("room".to_owned(), "Blue".to_owned());
        assert_eq!(plan.panic_at, BTreeMap::from([blue]));
        assert!("lose-message=0".parse::<FaultPlan>().is_err());
        assert!("explode".parse::<FaultPlan>().is_err());
        assert!("panic-room".parse::<FaultPlan>().is_err());
        assert!("explode=Blue".parse::<FaultPlan>().is_err());
    }

    #[test]
    fn loses_every_nth() {
        let faults = Faults::new("lose-message=3".parse().unwrap());
        let arrivals: Vec<_> = (0..6).map(|_| faults.arrivals()).collect();
        assert_eq!(arrivals, [1, 1, 0, 1, 1, 0]);
    }
}
