//! Decides what befalls each call, by the faults that are at work at that moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use projections::simulated::{ViewCall, ViewFate, ViewTrouble};
use store::simulated::{CallEnd, CallFate, DeliveryFate, Dice, Trouble};
use tokio::time::Instant;

use crate::plan::{Commit, Fault, Wrong};

/// A history takes some hundred calls of commit stores; after this many it goes round in circles.
const CALLS: u64 = 20_000;

/// The faults of a history.
#[derive(Debug)]
pub struct Plagued {
    began: Instant,
    faults: Vec<Fault>,
    /// How often a commit store was called.
    calls: AtomicU64,
    dice: Dice,
    /// For the views, so that their calls change nothing for anybody else.
    views: Dice,
}

impl Plagued {
    /// These faults, from now on.
    pub fn new(seed: u64, faults: &[Fault]) -> Self {
        Plagued {
            began: Instant::now(),
            faults: faults.to_vec(),
            calls: AtomicU64::new(0),
            dice: Dice::seeded(!seed),
            views: Dice::seeded(seed.rotate_left(16)),
        }
    }

    /// Whether so much was asked of the stores that it will never end.
    pub fn is_worn_out(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > CALLS
    }

    fn at_work(&self) -> impl Iterator<Item = (Wrong, Duration)> {
        let now = self.began.elapsed();
        self.faults
            .iter()
            .filter(move |fault| fault.at <= now && now < fault.at + fault.lasts)
            .map(move |fault| (fault.what, fault.at + fault.lasts - now))
    }
}

impl Trouble for Plagued {
    fn call(&self, store: &str) -> CallFate {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut fate = CallFate::default();
        for (wrong, left) in self.at_work() {
            match wrong {
                Wrong::StoreStands(which) if which == store => fate.stands = fate.stands.max(left),
                Wrong::Commits(commit, percent) if self.dice.is(percent) => {
                    fate.end = match commit {
                        Commit::Fails => CallEnd::Fails,
                        Commit::Unknown => CallEnd::Unknown,
                        Commit::UnknownAndLost => CallEnd::UnknownAndLost,
                        Commit::PanicsBefore => CallEnd::PanicsBefore,
                        Commit::PanicsAfter => CallEnd::PanicsAfter,
                    };
                }
                _ => {}
            }
        }

        // A commit takes its time, so that work gathers meanwhile.
        fate.stands += Duration::from_millis(self.dice.below(4));
        fate
    }

    fn answers(&self, _: &str) -> bool {
        let fails =
            |(wrong, _)| matches!(wrong, Wrong::QueriesFail(percent) if self.dice.is(percent));
        !self.at_work().any(fails)
    }

    fn delivery(&self) -> DeliveryFate {
        let mut fate = DeliveryFate::Arrives(Duration::ZERO);
        for (wrong, _) in self.at_work() {
            match wrong {
                Wrong::LogLoses(percent) if self.dice.is(percent) => return DeliveryFate::Lost,
                Wrong::LogRepeats(percent) if self.dice.is(percent) => {
                    let again = Duration::from_millis(self.dice.below(500));
                    fate = DeliveryFate::Twice(Duration::ZERO, again);
                }
                Wrong::LogHoldsUp(millis) => {
                    let late = Duration::from_millis(self.dice.below(millis));
                    fate = DeliveryFate::Arrives(late);
                }
                _ => {}
            }
        }
        fate
    }
}

impl ViewTrouble for Plagued {
    fn call(&self, call: ViewCall) -> ViewFate {
        let mut fate = ViewFate::Done;
        for (wrong, _) in self.at_work() {
            if let Wrong::Views(befalls, percent) = wrong
                && self.views.is(percent)
                && can(befalls, call)
            {
                fate = befalls;
            }
        }
        fate
    }

    fn takes_nothing_in(&self, generation: u32) -> bool {
        self.at_work().any(|(wrong, _)| match wrong {
            Wrong::GenerationsStall { odd } => (generation % 2 == 1) == odd,
            _ => false,
        })
    }

    fn takes(&self) -> Duration {
        let slow = self.at_work().filter_map(|(wrong, _)| match wrong {
            Wrong::ViewsSlow(millis) => Some(Duration::from_millis(millis)),
            _ => None,
        });
        slow.max().unwrap_or_default()
    }
}

/// Whether a call can end in this way: only what handles events refuses them, or panics.
fn can(fate: ViewFate, call: ViewCall) -> bool {
    match fate {
        ViewFate::Panics | ViewFate::Refused => {
            matches!(call, ViewCall::Applying | ViewCall::Committing)
        }
        _ => true,
    }
}
