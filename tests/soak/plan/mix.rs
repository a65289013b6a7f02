//! What a round is mostly made of: some are all of one kind.

use std::time::Duration;

use sagas::testing::Chance;
use tests::Server;

use super::{Act, Buyer, Deed, Fault, Manner, Wrong, name_of, note_of};

const VIEWS: [&str; 2] = ["documents", "search"];
const SERVERS: [Server; 2] = [Server::MongoDb, Server::Elasticsearch];

/// Sagas that nothing holds up end in this time.
const SOON: Duration = Duration::from_millis(100);

/// How many kinds of faults there are on a node alone, and with servers.
const KINDS: u64 = 15;
const KINDS_WITH_SERVERS: u64 = 19;

pub struct Mix {
    /// In percent.
    keys: u64,
    again: u64,
    waits: u64,
    reads: u64,
    cancels: u64,
    ships: u64,
    stops: u64,
    nonsense: u64,
    hot: u64,
    hang_ups: u64,
    within: Duration,
    /// The kinds of faults that there are.
    kinds: Vec<u64>,
    /// A message may be dropped where the saga's deadline makes up for it soon.
    discards: bool,
}

impl Mix {
    pub fn drawn(chance: &mut Chance, servers: bool, deadline: u64) -> Self {
        let mut percent = || chance.of(&[0, 10, 50, 90, 100]).unwrap_or(50);
        let kinds = if servers { KINDS_WITH_SERVERS } else { KINDS };
        Mix {
            keys: percent(),
            again: percent(),
            waits: percent(),
            reads: percent(),
            cancels: percent(),
            ships: percent(),
            stops: percent() / 2,
            nonsense: percent() / 5,
            hot: percent(),
            hang_ups: percent() / 2,
            within: Duration::from_secs(2 + chance.below(9)),
            kinds: (0..1 + chance.below(5))
                .map(|_| chance.below(kinds))
                .collect(),
            discards: deadline < 60,
        }
    }

    pub fn within(&self) -> Duration {
        self.within
    }

    /// An order, and what is done to it.
    pub fn order(&self, acts: &mut Vec<Act>, chance: &mut Chance) {
        let at = chance.moment(self.within);
        let buyer = if chance.is(self.hot) {
            Buyer::Hot
        } else {
            Buyer::New(chance.index(4))
        };
        let cents = i64::try_from(1 + chance.below(3_000)).unwrap_or(1);

        let number = acts.len();
        let what = match chance.below(100) {
            percent if percent < self.nonsense => Deed::Nonsense { buyer },
            99 => Deed::Unknown { cents },
            _ => Deed::Order { buyer, cents },
        };
        self.act(acts, at, what, chance);

        for (percent, what) in [
            (self.cancels, Deed::Cancel { order: number }),
            (self.ships / 2, Deed::Ship { order: number }),
            (self.stops, Deed::StopSaga { order: number }),
        ] {
            if chance.is(percent) {
                // At once, while its saga is under way, or when that has ended.
                let longest = chance.of(&[SOON, self.within / 2]).unwrap_or(SOON);
                let later = chance.moment(longest);
                self.act(acts, at + later, what, chance);
            }
        }
    }

    fn act(&self, acts: &mut Vec<Act>, at: Duration, what: Deed, chance: &mut Chance) {
        let manner = self.manner(chance);
        acts.push(Act {
            number: acts.len(),
            at,
            what,
            manner,
        });
    }

    fn manner(&self, chance: &mut Chance) -> Manner {
        let hangs_up = chance.is(self.hang_ups);
        Manner {
            key: chance.is(self.keys),
            again: chance.is(self.again),
            wait: match chance.is(self.waits) {
                true => u32::try_from(1 + chance.below(10)).unwrap_or(1),
                false => 0,
            },
            patience: match hangs_up {
                true => chance.moment(Duration::from_millis(100)) + Duration::from_millis(1),
                false => Duration::from_secs(60),
            },
            reads: chance.is(self.reads),
        }
    }

    pub fn fault(&self, seed: u64, chance: &mut Chance) -> Fault {
        let kind = chance.of(&self.kinds).unwrap_or(0);
        let what = self.wrong(kind, seed, chance);
        // What panics again and again is given up after some seconds.
        let doublings = if matches!(what, Wrong::BuiltIn(_)) {
            6
        } else {
            4
        };
        let longest = Duration::from_secs(1 << chance.below(doublings));
        Fault {
            at: chance.moment(self.within),
            lasts: chance.moment(longest) + Duration::from_millis(50),
            what,
        }
    }

    fn wrong(&self, kind: u64, seed: u64, chance: &mut Chance) -> Wrong {
        let view = chance.of(&VIEWS).unwrap_or("search");
        let server = chance.of(&SERVERS).unwrap_or(Server::MongoDb);
        match kind {
            0 => Wrong::Killed,
            1 => Wrong::KilledAtStart(chance.below(100)),
            2 => Wrong::Ended,
            3 => Wrong::KilledWhileEnding(chance.below(100)),
            4 => Wrong::Stopped,
            5 => Wrong::Locked(chance.of(&["customers", "orders"]).unwrap_or("orders")),
            6 => Wrong::DiskFull(chance.below(64 * 1024)),
            7 => Wrong::ClockSteps(i64::try_from(chance.below(20_000)).unwrap_or(0) - 10_000),
            8 => Wrong::Rebuild(
                view,
                chance.of(&["history", "entities"]).unwrap_or("history"),
            ),
            9 => Wrong::Revert(view),
            10 if self.discards => Wrong::Discards,
            15 | 16 => Wrong::ServerKilled(server),
            17 | 18 => Wrong::ServerStopped(server),
            _ => Wrong::BuiltIn(built_in(seed, chance)),
        }
    }
}

/// Faults that a node is started with.
fn built_in(seed: u64, chance: &mut Chance) -> String {
    let every = 2 + chance.below(20);
    let customer = name_of(seed, chance.index(4));
    let note = note_of(seed, chance.index(40));
    let once = if chance.is(50) { ",panic-once" } else { "" };
    match chance.below(8) {
        0 => "deliver-twice".to_owned(),
        1 => format!("lose-message={every}"),
        2 => format!("fail-commit={every}"),
        3 => format!("panic-journal={every}"),
        4 => format!("panic-turn={every}"),
        5 => format!("panic-customer={customer}{once}"),
        6 => format!("panic-order={note}{once}"),
        _ => format!("panic-saga={customer}{once}"),
    }
}
