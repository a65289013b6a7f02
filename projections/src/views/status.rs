//! How a view is, as `GET /views` shows it, and how long a rebuild will take.

use std::time::Duration;

use crate::generations::{BuildFrom, Stage};
use crate::port::QuarantinedEntity;
use crate::projector::Lag;

/// The state of a view, as `GET /views` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewState {
    /// It answers and follows the log.
    Live,
    /// A generation is built; the one before it, if there is one, answers and follows the log.
    Rebuilding,
    /// Its store or the log fails, or a rebuild has stopped. The error says which, and whether it
    /// is tried again.
    Failed,
}

/// How a view is.
#[derive(Clone, Debug)]
pub struct ViewStatus {
    /// The name of the view.
    pub name: &'static str,
    /// How its store is named.
    pub backend: &'static str,
    /// Whether it answers and follows the log.
    pub state: ViewState,
    /// Of the generation that answers, or else of the one that is built; `None` when the log cannot
    /// be read.
    pub lag: Option<Lag>,
    /// The entities it takes in no longer, of the generation that `lag` is of.
    pub quarantined: Vec<QuarantinedEntity>,
    /// The generation that answers.
    pub generation: Option<u32>,
    /// The generation that one command goes back to.
    pub kept: Option<u32>,
    /// Of the generation that is built.
    pub progress: Option<BuildProgress>,
    /// What fails.
    pub error: Option<String>,
}

/// What is done for a generation that is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildStage {
    /// Entities' rows are copied.
    Copying,
    /// Events are taken in.
    CatchingUp,
    /// It is compared with the one that answers.
    Comparing,
}

impl From<Stage> for BuildStage {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Copying => BuildStage::Copying,
            Stage::CatchingUp | Stage::Ready => BuildStage::CatchingUp,
        }
    }
}

/// How far the building of a generation is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BuildProgress {
    /// The number of the generation.
    pub generation: u32,
    /// From what it is built.
    pub from: BuildFrom,
    /// What is done for it at present.
    pub stage: BuildStage,
    /// It must not answer, and is not worked on any more.
    pub stopped: bool,
    /// Of copying and comparing: entities. Otherwise places of the log, which other messages than
    /// events take up, too.
    pub done: u64,
    /// What `done` comes to at the end, as far as known now.
    pub total: u64,
    /// From 0 to 1.
    pub fraction: f64,
    /// Of copying and comparing: entities per second.
    pub events_per_second: f64,
    /// `None` until it can be told.
    pub eta_seconds: Option<u64>,
}

/// What was done of a stage, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// What was `done` when the stage began, or went on after a restart.
    pub begun_at: u64,
    /// How much of the stage is done, in what the stage counts.
    pub done: u64,
    /// What `done` comes to at the end, as far as known now.
    pub total: u64,
    /// Events or entities since the stage began.
    pub taken: u64,
    /// How long ago the stage began, or went on after a restart.
    pub elapsed: Duration,
}

impl Work {
    /// From 0 to 1.
    pub(super) fn fraction(&self) -> f64 {
        if self.total == 0 {
            1.0
        } else {
            (float(self.done) / float(self.total)).min(1.0)
        }
    }

    pub(super) fn per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            float(self.taken) / seconds
        } else {
            0.0
        }
    }

    /// How long the rest takes at the speed so far.
    pub(super) fn rest(&self) -> Option<u64> {
        let left = self.total.saturating_sub(self.done);
        let gone = self.done.saturating_sub(self.begun_at);
        if left == 0 {
            return Some(0);
        }
        let millis = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        let rest = u128::from(millis)
            .checked_mul(u128::from(left))?
            .checked_div(u128::from(gone))?;
        u64::try_from(rest.div_ceil(1_000)).ok()
    }
}

/// Exact as far as it matters: counts here are below 2^53, or nobody looks at the last digit.
fn float(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(count & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_told_by_the_speed_since_the_stage_began_and_not_by_what_was_there_before() {
        let work = Work {
            begun_at: 500,
            done: 600,
            total: 1_000,
            taken: 50,
            elapsed: Duration::from_secs(10),
        };
        assert_eq!(
            (work.fraction(), work.per_second(), work.rest()),
            (0.6, 5.0, Some(40))
        );
    }

    #[test]
    fn nothing_is_told_of_the_rest_before_anything_was_done() {
        let work = Work {
            begun_at: 5,
            done: 5,
            total: 10,
            taken: 0,
            elapsed: Duration::from_secs(1),
        };
        assert_eq!((work.rest(), work.per_second()), (None, 0.0));
        assert_eq!(
            (Work::default().fraction(), Work::default().rest()),
            (1.0, Some(0))
        );
    }

    #[test]
    fn large_counts_keep_their_size() {
        assert!((float(1 << 40) - 1_099_511_627_776.0).abs() < 1.0);
    }
}
