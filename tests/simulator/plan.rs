//! What happens in a history: drawn from its seed alone, and small enough to be made smaller.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use domain::Coordination;
use projections::generations::BuildFrom;
use projections::simulated::ViewFate;
use sagas::testing::Chance;
use store::Loading;

use self::apart::{
    with_nodes, with_rebuilds, with_unreadable_messages, with_unreadable_rows, with_views,
};
use self::mix::Mix;
use self::sharing::{with_interrupted_rebuilds, with_shared_views};

mod apart;
mod mix;
mod sharing;

/// Callers act within this time.
pub const BUSY: Duration = Duration::from_secs(40);
/// How many shards each service may have.
pub const SHARDS: [u16; 3] = [1, 2, 4];

/// What is received goes while the history goes on.
const FEW_SECONDS: Duration = Duration::from_secs(3);
/// How long a generation of the view is kept that has answered before, unless it is drawn.
const VIEW_KEEP: Duration = Duration::from_secs(30);
/// Nothing goes.
pub const FOR_EVER: Duration = Duration::from_secs(1 << 20);

/// What a history follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed {
    pub number: u64,
    /// How many nodes there are; the number says it otherwise.
    pub nodes: Option<usize>,
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nodes {
            Some(nodes) => write!(f, "{} with {nodes} nodes", self.number),
            None => write!(f, "{}", self.number),
        }
    }
}

/// A history before it happens.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What everything follows from that the plan does not say.
    pub seed: u64,
    /// How many nodes there are.
    pub nodes: usize,
    /// Shards of each service.
    pub shards: u16,
    /// How long received commands and replies are kept.
    pub retention: Duration,
    /// Limits in cents; customers are numbered from 0.
    pub customers: Vec<i64>,
    /// What callers do.
    pub acts: Vec<Act>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// In percent: how often an operator discards what is in quarantine.
    pub discards: u64,
    /// How often an operator looks while everything goes on; at rest he does in any case.
    pub operates_every: Option<Duration>,
    /// How orders are coordinated.
    pub coordination: Coordination,
    /// Where customers and orders come from when they are brought into memory.
    pub loading: Loading,
    /// Whether all nodes have the view, which one of them feeds at a time.
    pub shares_views: bool,
    /// How long a generation of the view is kept that has answered before.
    pub view_keep: Duration,
}

/// What one caller does.
#[derive(Clone, Debug)]
pub struct Act {
    /// By which others name it.
    pub number: usize,
    pub at: Duration,
    pub what: Deed,
    pub manner: Manner,
    /// How often it asks the view for what it was told.
    pub reads: u64,
}

/// How a caller goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Repeats with a key until there is an answer; otherwise asks once.
    pub key: bool,
    /// Waits for the saga's end.
    pub wait: Duration,
    /// Hangs up then, and comes back with its key if it has one.
    pub patience: Duration,
}

/// What a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// An order of this customer, for so many cents.
    Order { customer: usize, cents: i64 },
    /// Cancels the order of that act.
    Cancel { order: usize },
    /// Ships it.
    Ship { order: usize },
    /// An operator stops the saga that creates it.
    StopSaga { order: usize },
    /// An operator stops the saga that cancels it.
    StopCancel { order: usize },
}

/// Something that goes wrong for a while.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub at: Duration,
    pub lasts: Duration,
    pub what: Wrong,
    /// Whom it befalls, if it befalls one node.
    pub node: usize,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The node dies, and starts again when the fault is over.
    Crash,
    /// Its process is stopped.
    Stopped,
    /// The node is told to end, does so, and starts again when the fault is over.
    Restarted,
    /// It cannot reach the other nodes, nor they it; its stores it reaches.
    CutOff,
    /// It cannot reach what gives the lease to feed the views.
    LeaseOutOfReach,
    /// Whoever has the lease to feed the views has it no more.
    LeaseLost,
    /// Its clock steps by so many seconds.
    ClockSteps(i64),
    /// Its clock goes at this speed.
    ClockDrifts(u64),
    /// So many percent of the calls of a commit store end in this way.
    Commits(Commit, u64),
    /// A service's store does not answer.
    StoreStands(&'static str),
    /// So many percent of the queries are not answered.
    QueriesFail(u64),
    /// So many percent of the deliveries are lost.
    LogLoses(u64),
    /// So many percent come twice.
    LogRepeats(u64),
    /// Each is held up for at most so many milliseconds.
    LogHoldsUp(u64),
    /// The actor of this customer panics, once or always.
    CustomerPanics { customer: usize, once: bool },
    /// A turn of a shard panics, every so often.
    TurnsPanic(u64),
    /// The row in this place of a table cannot be read.
    RowUnreadable { table: Table, place: u64 },
    /// So many percent of the calls of a view store end in this way.
    Views(ViewFate, u64),
    /// The catalog of a view store, and reads of many entities, take so many milliseconds.
    ViewsSlow(u64),
    /// The view store takes nothing in for generations of odd numbers, or for the others.
    GenerationsStall { odd: bool },
    /// Somebody deletes the generations of the view.
    ViewsGone,
    /// Somebody deletes all that the view store has.
    ViewStoreGone,
    /// An operator has the view built anew.
    Rebuild(BuildFrom),
    /// An operator goes back to the generation that has answered before.
    Revert,
}

/// A table of the databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Customers,
    Orders,
    /// Of a service.
    Outbox(&'static str),
    /// Of a service.
    Parked(&'static str),
}

impl Table {
    /// Whether its rows are messages.
    fn has_messages(self) -> bool {
        matches!(self, Table::Outbox(_) | Table::Parked(_))
    }
}

/// How calls of a commit store end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    Fails,
    Unknown,
    UnknownAndLost,
    PanicsBefore,
    PanicsAfter,
}

impl Plan {
    /// Whether what is sent has its effect: nobody discards it, and it can be read.
    #[must_use]
    pub fn shows_what_is_sent(&self) -> bool {
        self.discards == 0 && !self.has_unreadable_messages()
    }

    /// Whether each event is heard in the end: nobody discards it, and when one could not be read for a
    /// while, what was made of the others has not been removed meanwhile.
    #[must_use]
    pub fn events_are_heard(&self) -> bool {
        let nothing_goes = self.retention == FOR_EVER || !self.has_unreadable_messages();
        self.discards == 0 && nothing_goes
    }

    /// Whether nothing is wrong on the command side but the way of messages: that costs moments,
    /// and no deadline.
    #[must_use]
    pub fn only_deliveries_suffer(&self) -> bool {
        let is_of_the_way = |fault: &Fault| {
            matches!(
                fault.what,
                Wrong::LogLoses(_)
                    | Wrong::LogRepeats(_)
                    | Wrong::LogHoldsUp(_)
                    | Wrong::Views(..)
                    | Wrong::ViewsSlow(_)
                    | Wrong::GenerationsStall { .. }
                    | Wrong::ViewsGone
                    | Wrong::ViewStoreGone
                    | Wrong::Rebuild(_)
                    | Wrong::Revert
                    | Wrong::LeaseOutOfReach
                    | Wrong::LeaseLost
            )
        };
        self.faults.iter().all(is_of_the_way)
    }

    /// Whether an operator has the view built anew, or goes back.
    #[must_use]
    pub fn changes_generations(&self) -> bool {
        let changes = |fault: &Fault| matches!(fault.what, Wrong::Rebuild(_) | Wrong::Revert);
        self.faults.iter().any(changes)
    }

    /// Whether the view has all that it should, whatever else goes wrong: nothing is refused there,
    /// and nothing is deleted.
    #[must_use]
    pub fn views_are_whole(&self) -> bool {
        let refuses = |fault: &Fault| {
            let refusals = [ViewFate::Refused, ViewFate::Panics];
            matches!(fault.what, Wrong::Views(fate, _) if refusals.contains(&fate))
        };
        let loses = |fault: &Fault| matches!(fault.what, Wrong::ViewsGone | Wrong::ViewStoreGone);
        let spoils = |fault: &Fault| loses(fault) || refuses(fault);
        !self.has_unreadable_messages() && !self.faults.iter().any(spoils)
    }

    fn has_unreadable_messages(&self) -> bool {
        let is_message = |fault: &Fault| match fault.what {
            Wrong::RowUnreadable { table, .. } => table.has_messages(),
            _ => false,
        };
        self.faults.iter().any(is_message)
    }

    /// Whether some row may be one that nobody can read.
    #[must_use]
    pub fn has_unreadable_rows(&self) -> bool {
        let is_one = |fault: &Fault| matches!(fault.what, Wrong::RowUnreadable { .. });
        self.faults.iter().any(is_one)
    }

    /// The act of this number.
    #[must_use]
    pub fn act(&self, number: usize) -> Option<&Act> {
        self.acts.iter().find(|act| act.number == number)
    }

    /// The plan of this seed.
    #[must_use]
    pub fn of(seed: Seed) -> Self {
        let Seed {
            number: seed,
            nodes,
        } = seed;
        let mut chance = Chance::seeded(seed);
        let shards = chance.of(&SHARDS).unwrap_or(1);
        let retention = chance
            .of(&[FEW_SECONDS, FOR_EVER, FOR_EVER])
            .unwrap_or(FOR_EVER);
        let customers = (0..5).map(|_| limit(&mut chance)).collect();
        let orders = 5 + chance.below(46);
        let mut acts = Vec::new();
        let mix = Mix::drawn(&mut chance);

        for _ in 0..orders {
            mix.order(&mut acts, &mut chance);
        }

        let faults = (0..chance.below(11)).map(|_| mix.fault(&mut chance));
        let mut faults: Vec<_> = faults.collect();
        with_views(seed, &mut acts, &mut faults);
        with_unreadable_rows(seed, &mut faults);
        with_rebuilds(seed, &acts, &mut faults);
        with_unreadable_messages(seed, &acts, &mut faults);
        let nodes = with_nodes(seed, nodes, &acts, &mut faults);
        let shared = with_shared_views(seed, nodes, &mut acts, &mut faults);
        if shared.is_some() {
            with_interrupted_rebuilds(seed, nodes, &acts, &mut faults);
        }
        let coordination = Chance::seeded(seed.rotate_left(32) ^ 0xc0de)
            .of(&[
                Coordination::Orchestration,
                Coordination::Orchestration,
                Coordination::Choreography,
            ])
            .unwrap_or_default();
        let discards = match coordination {
            Coordination::Orchestration => &[0, 0, 0, 20, 100][..],
            // What nobody would ask for again cannot be discarded: another time it is replayed.
            Coordination::Choreography => &[0, 0, 0, 20],
        };

        let mut plan = Plan {
            seed,
            nodes,
            shards,
            retention,
            customers,
            faults,
            acts,
            discards: Chance::seeded(seed.rotate_left(24) ^ 0xd15c)
                .of(discards)
                .unwrap_or(0),
            operates_every: Chance::seeded(seed.rotate_left(28) ^ 0x0be7)
                .of(&[None, None, Some(Duration::from_secs(2))])
                .flatten(),
            coordination,
            loading: loading(seed),
            shares_views: shared.is_some(),
            view_keep: shared.unwrap_or(VIEW_KEEP),
        };
        // Nobody knows what a message asks that cannot be read.
        if coordination == Coordination::Choreography && plan.has_unreadable_messages() {
            plan.discards = 0;
        }
        plan
    }
}

/// From rows, mostly: a replay reads more.
fn loading(seed: u64) -> Loading {
    let replay = |every| Loading::Replay {
        snapshot_every: NonZeroU64::new(every),
    };
    Chance::seeded(seed.rotate_left(40) ^ 0x4e91)
        .of(&[
            Loading::Row,
            Loading::Row,
            Loading::Row,
            Loading::Row,
            replay(0),
            replay(3),
        ])
        .unwrap_or_default()
}

fn limit(chance: &mut Chance) -> i64 {
    let cents = chance.of(&[0, 1_000, 5_000, 20_000, 1_000_000]);
    cents.unwrap_or(0)
}
