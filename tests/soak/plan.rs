//! What happens in a round: drawn from its seed alone. Only how long things take is not drawn.

mod mix;

use std::time::Duration;

use sagas::testing::Chance;
use tests::Server;

use crate::plan::mix::Mix;

/// A round before it happens.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the plan follows from.
    pub seed: u64,
    /// Whether it goes on with the store of the round before, if there is one.
    pub goes_on: bool,
    /// Of a new store: shards of each service.
    pub shards: u16,
    /// Settings of the node in this round.
    pub settings: Settings,
    /// Callers and readers begin within this time.
    pub busy: Duration,
    /// Limits of new customers in cents, numbered from 0.
    pub customers: Vec<i64>,
    /// What callers do.
    pub acts: Vec<Act>,
    /// So many read all the time.
    pub readers: u64,
    /// What goes wrong, by the time at which it begins.
    pub faults: Vec<Fault>,
}

/// Settings that a node may have another value of at each start.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// After so many seconds a saga compensates.
    pub deadline: u64,
    /// So many seconds received messages are kept.
    pub retention: u64,
    /// So many entities may stay in memory.
    pub actors: u64,
    /// So many seconds a former generation of a view is kept.
    pub view_keep: u64,
}

/// What one caller does.
#[derive(Clone, Debug)]
pub struct Act {
    /// By which others of its round name it.
    pub number: usize,
    pub at: Duration,
    pub what: Deed,
    pub manner: Manner,
}

/// How a caller goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Repeats with a key until there is an answer; otherwise asks once.
    pub key: bool,
    /// Has its answer, and asks once more with the key.
    pub again: bool,
    /// So many seconds it waits for the saga's end.
    pub wait: u32,
    /// Hangs up then, and comes back if it has a key.
    pub patience: Duration,
    /// Reads back what it was told of.
    pub reads: bool,
}

/// Whose order it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Buyer {
    /// The first customer that the store has ever had.
    Hot,
    /// The customer of this number in this round.
    New(usize),
}

/// What a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Order {
        buyer: Buyer,
        cents: i64,
    },
    /// An order of a customer that does not exist.
    Unknown {
        cents: i64,
    },
    /// An order that must be refused.
    Nonsense {
        buyer: Buyer,
    },
    /// Cancels the order of that act.
    Cancel {
        order: usize,
    },
    Ship {
        order: usize,
    },
    /// An operator stops the saga that creates or cancels it.
    StopSaga {
        order: usize,
    },
}

/// Something that goes wrong for a while.
#[derive(Clone, Debug)]
pub struct Fault {
    pub at: Duration,
    pub lasts: Duration,
    pub what: Wrong,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// `kill -9`; the node starts again when the fault is over.
    Killed,
    /// The same, and so many milliseconds after its start it is killed again.
    KilledAtStart(u64),
    /// SIGTERM; the node ends in order, and starts again.
    Ended,
    /// SIGTERM, and `kill -9` so many milliseconds later.
    KilledWhileEnding(u64),
    /// SIGSTOP; SIGCONT when the fault is over.
    Stopped,
    /// Another process holds the lock on the database of this service.
    Locked(&'static str),
    /// No file of the node can grow by more than so many bytes beyond its log.
    DiskFull(u64),
    /// The node starts anew with these faults built in, and without them when the fault is over.
    BuiltIn(String),
    /// Its clock is so many seconds off.
    ClockSteps(i64),
    /// An operator has a view built anew, from there.
    Rebuild(&'static str, &'static str),
    /// An operator has a view built anew, and goes back to the former one when the fault is over.
    Revert(&'static str),
    /// An operator drops what is in quarantine instead of replaying it.
    Discards,
    /// A server of views is killed; it starts again when the fault is over.
    ServerKilled(Server),
    /// It is stopped; it goes on when the fault is over.
    ServerStopped(Server),
}

impl Plan {
    /// The plan of this seed.
    #[must_use]
    pub fn of(seed: u64, servers: bool) -> Self {
        let mut chance = Chance::seeded(seed);
        let goes_on = chance.is(70);
        let shards = chance.of(&[1, 4, 16, 16]).unwrap_or(16);
        let settings = Settings {
            deadline: chance.of(&[2, 10, 600]).unwrap_or(600),
            retention: chance.of(&[60, 60, 3_600]).unwrap_or(60),
            actors: chance.of(&[100, 20_000]).unwrap_or(100),
            view_keep: chance.of(&[0, 3_600]).unwrap_or(0),
        };
        let customers = (0..4).map(|_| limit(&mut chance)).collect();

        let mix = Mix::drawn(&mut chance, servers, settings.deadline);
        let mut acts = Vec::new();
        let most = chance.of(&[30, 80, 250, 600]).unwrap_or(80);
        for _ in 0..10 + chance.below(most) {
            mix.order(&mut acts, &mut chance);
        }
        let mut faults: Vec<_> = (0..chance.below(12))
            .map(|_| mix.fault(seed, &mut chance))
            .collect();
        faults.sort_by_key(|fault| fault.at);

        Plan {
            seed,
            goes_on,
            shards,
            settings,
            busy: mix.within(),
            customers,
            acts,
            readers: chance.below(4),
            faults,
        }
    }
}

/// What the customer of this number is called in the round of this seed: one word, by which a
/// search finds its orders, and a fault its actor.
pub fn name_of(seed: u64, customer: usize) -> String {
    format!("Buyer{seed}n{customer}")
}

/// The note of an act's order.
pub fn note_of(seed: u64, act: usize) -> String {
    format!("Note{seed}n{act}")
}

fn limit(chance: &mut Chance) -> i64 {
    let cents = chance.of(&[0, 1_000, 5_000, 20_000, 1_000_000]);
    cents.unwrap_or(0)
}
