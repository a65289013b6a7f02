//! What a history is mostly made of: some are all of one kind.

use std::time::Duration;

use sagas::testing::Chance;

use super::{Act, BUSY, Commit, Deed, Fault, Manner, Wrong};

const COMMITS: [Commit; 5] = [
    Commit::Fails,
    Commit::Unknown,
    Commit::UnknownAndLost,
    Commit::PanicsBefore,
    Commit::PanicsAfter,
];

/// Percentages, and kinds of faults.
pub struct Mix {
    /// In percent.
    keys: u64,
    waits: u64,
    cancels: u64,
    ships: u64,
    stops: u64,
    hot: u64,
    hang_ups: u64,
    /// All begin within this time.
    within: Duration,
    /// The kinds of faults that there are.
    kinds: Vec<u64>,
}

impl Mix {
    pub fn drawn(chance: &mut Chance) -> Self {
        let mut percent = || chance.of(&[0, 10, 50, 90, 100]).unwrap_or(50);
        Mix {
            keys: percent(),
            waits: percent(),
            cancels: percent(),
            ships: percent(),
            stops: percent() / 4,
            hot: percent(),
            hang_ups: percent() / 2,
            within: BUSY / u32::try_from(1 + chance.below(20)).unwrap_or(1),
            kinds: (0..1 + chance.below(5))
                .map(|_| chance.below(KINDS))
                .collect(),
        }
    }

    /// An order, and what is done to it.
    pub fn order(&self, acts: &mut Vec<Act>, chance: &mut Chance) {
        let at = chance.moment(self.within);
        let customer = if chance.is(self.hot) {
            0
        } else {
            chance.index(5)
        };
        let cents = i64::try_from(1 + chance.below(3_000)).unwrap_or(1);
        let number = acts.len();
        let what = Deed::Order { customer, cents };
        let manner = self.manner(chance);
        acts.push(Act {
            number,
            at,
            what,
            manner,
            reads: 0,
        });

        for (percent, what) in [
            (self.cancels, Deed::Cancel { order: number }),
            (self.ships / 2, Deed::Ship { order: number }),
            (self.stops, Deed::StopSaga { order: number }),
            (self.stops, Deed::StopCancel { order: number }),
        ] {
            if chance.is(percent) {
                let later = chance.moment(self.within / 2);
                let manner = self.manner(chance);
                acts.push(Act {
                    number: acts.len(),
                    at: at + later,
                    what,
                    manner,
                    reads: 0,
                });
            }
        }
    }

    fn manner(&self, chance: &mut Chance) -> Manner {
        let hangs_up = chance.is(self.hang_ups);
        Manner {
            key: chance.is(self.keys),
            wait: match chance.is(self.waits) {
                true => chance.moment(Duration::from_secs(30)),
                false => Duration::ZERO,
            },
            patience: match hangs_up {
                true => chance.moment(Duration::from_millis(200)) + Duration::from_millis(1),
                false => Duration::from_secs(60),
            },
        }
    }

    /// One of the faults that there are.
    pub fn fault(&self, chance: &mut Chance) -> Fault {
        let kind = chance.of(&self.kinds).unwrap_or(0);
        let longest = Duration::from_secs(1 << chance.below(7));
        Fault {
            at: chance.moment(self.within + self.within / 2),
            lasts: chance.moment(longest),
            what: wrong(kind, chance),
            node: 0,
        }
    }
}

/// How many kinds of faults there are.
const KINDS: u64 = 12;

fn wrong(kind: u64, chance: &mut Chance) -> Wrong {
    let percent = 1 + chance.below(60);
    match kind {
        0 => Wrong::Crash,
        1 => Wrong::Stopped,
        2 => Wrong::ClockSteps(i64::try_from(chance.below(20_000)).unwrap_or(0) - 10_000),
        3 => Wrong::ClockDrifts(800_000 + chance.below(400_000)),
        4 | 5 => Wrong::Commits(chance.of(&COMMITS).unwrap_or(Commit::Fails), percent),
        6 => Wrong::StoreStands(chance.of(&["customers", "orders"]).unwrap_or("orders")),
        7 => Wrong::QueriesFail(percent),
        8 => Wrong::LogLoses(percent),
        9 => match chance.is(50) {
            true => Wrong::LogRepeats(percent),
            false => Wrong::LogHoldsUp(1 + chance.below(3_000)),
        },
        10 => Wrong::CustomerPanics {
            customer: chance.index(5),
            once: chance.is(50),
        },
        _ => Wrong::TurnsPanic(1 + chance.below(40)),
    }
}
