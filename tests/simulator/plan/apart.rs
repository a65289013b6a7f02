//! What is drawn apart from the rest, so that the rest of a seed's plan stays as it was before
//! there was such trouble.

use std::time::Duration;

use projections::generations::BuildFrom;
use projections::simulated::ViewFate;
use sagas::testing::Chance;

use super::{Act, BUSY, Fault, Table, Wrong};

/// Adds who reads, and what goes wrong with views.
pub fn with_views(seed: u64, acts: &mut [Act], faults: &mut Vec<Fault>) {
    let mut chance = Chance::seeded(seed.rotate_left(32) ^ 0x71e5);
    let readers = chance.of(&[0, 20, 100]).unwrap_or(0);
    for act in acts {
        if chance.is(readers) {
            act.reads = 1 + chance.below(4);
        }
    }

    let kinds: Vec<u64> = (0..1 + chance.below(3))
        .map(|_| chance.below(VIEW_KINDS))
        .collect();
    let count = chance.of(&[0, 0, 1, 3, 6]).unwrap_or(0);
    for _ in 0..count {
        let kind = chance.of(&kinds).unwrap_or(0);
        let longest = Duration::from_secs(1 << chance.below(6));
        faults.push(Fault {
            at: chance.moment(BUSY + BUSY / 2),
            lasts: chance.moment(longest),
            what: wrong_with_views(kind, &mut chance),
            node: 0,
        });
    }
}

/// Adds rows that nobody can read for a while.
pub fn with_unreadable_rows(seed: u64, faults: &mut Vec<Fault>) {
    let mut chance = Chance::seeded(seed.rotate_left(48) ^ 0x50e5);
    let count = chance.of(&[0, 0, 0, 1, 3]).unwrap_or(0);
    for _ in 0..count {
        let table = chance.of(&[Table::Customers, Table::Orders]);
        let longest = Duration::from_secs(1 << chance.below(6));
        faults.push(Fault {
            at: chance.moment(BUSY),
            lasts: chance.moment(longest),
            what: Wrong::RowUnreadable {
                table: table.unwrap_or(Table::Orders),
                place: chance.below(50),
            },
            node: 0,
        });
    }
}

/// Adds messages that nobody can read for a while.
pub fn with_unreadable_messages(seed: u64, acts: &[Act], faults: &mut Vec<Fault>) {
    let mut chance = Chance::seeded(seed.rotate_left(56) ^ 0x3e55);
    let count = chance.of(&[0, 0, 0, 0, 1, 5]).unwrap_or(0);
    let last = acts.iter().map(|act| act.at).max().unwrap_or_default();

    for _ in 0..count {
        let service = chance.of(&["customers", "orders"]).unwrap_or("orders");
        let table = match chance.is(70) {
            true => Table::Outbox(service),
            false => Table::Parked(service),
        };
        let longest = Duration::from_secs(1 << chance.below(6));
        faults.push(Fault {
            at: chance.moment(2 * last),
            lasts: chance.moment(longest),
            what: Wrong::RowUnreadable {
                table,
                place: chance.below(100),
            },
            node: 0,
        });
    }
}

/// Adds rebuilds beside what callers do, on view stores that take their time.
pub fn with_rebuilds(seed: u64, acts: &[Act], faults: &mut Vec<Fault>) {
    let mut chance = Chance::seeded(seed.rotate_left(8) ^ 0x4eb1);
    let count = chance.of(&[0, 0, 0, 0, 1, 4]).unwrap_or(0);
    let last = acts.iter().map(|act| act.at).max().unwrap_or_default();

    for _ in 0..count {
        let what = match chance.below(4) {
            0 => Wrong::Revert,
            1 => Wrong::Rebuild(BuildFrom::History),
            _ => Wrong::Rebuild(BuildFrom::Entities),
        };
        let at = chance.moment(last);
        faults.push(Fault {
            at,
            lasts: Duration::ZERO,
            what,
            node: 0,
        });
        faults.push(Fault {
            at,
            lasts: Duration::from_secs(1 + chance.below(20)),
            what: Wrong::ViewsSlow(chance.below(500)),
            node: 0,
        });
        if chance.is(40) {
            faults.push(Fault {
                at,
                lasts: Duration::from_secs(1 + chance.below(8)),
                what: Wrong::Views(ViewFate::Unavailable, 1 + chance.below(60)),
                node: 0,
            });
        }
    }
}

/// How many kinds of faults of views there are.
const VIEW_KINDS: u64 = 6;

const VIEW_FATES: [ViewFate; 4] = [
    ViewFate::Unavailable,
    ViewFate::DoneAndUnavailable,
    ViewFate::Panics,
    ViewFate::Refused,
];

fn wrong_with_views(kind: u64, chance: &mut Chance) -> Wrong {
    match kind {
        0 | 1 => {
            let fate = chance.of(&VIEW_FATES).unwrap_or(ViewFate::Unavailable);
            Wrong::Views(fate, 1 + chance.below(60))
        }
        2 => Wrong::ViewsGone,
        3 => Wrong::ViewStoreGone,
        4 => Wrong::Rebuild(match chance.is(50) {
            true => BuildFrom::History,
            false => BuildFrom::Entities,
        }),
        _ => Wrong::Revert,
    }
}

/// Adds, where there are several nodes, whom what has been drawn befalls, and what befalls a node
/// among others.
pub fn with_nodes(seed: u64, nodes: Option<usize>, acts: &[Act], faults: &mut Vec<Fault>) -> usize {
    let mut chance = Chance::seeded(seed.rotate_left(16) ^ 0x40de);
    let mut drawn = Chance::seeded(seed.rotate_left(40) ^ 0x40de);
    let nodes = nodes.or_else(|| drawn.of(&[1, 1, 2, 3])).unwrap_or(1);
    if nodes == 1 {
        return nodes;
    }

    for fault in faults.iter_mut() {
        fault.node = chance.index(u64::try_from(nodes).unwrap_or(1));
    }
    let last = acts.iter().map(|act| act.at).max().unwrap_or_default();
    let count = chance.of(&[0, 1, 4, 8]).unwrap_or(0);
    for _ in 0..count {
        let what = chance.of(&[
            Wrong::Crash,
            Wrong::Stopped,
            Wrong::CutOff,
            Wrong::Restarted,
        ]);
        let longest = Duration::from_secs(1 << chance.below(6));
        faults.push(Fault {
            at: chance.moment(2 * last),
            lasts: chance.moment(longest),
            what: what.unwrap_or(Wrong::CutOff),
            node: chance.index(u64::try_from(nodes).unwrap_or(1)),
        });
    }
    nodes
}
