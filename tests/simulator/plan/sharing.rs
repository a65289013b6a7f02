//! Views that several nodes share: drawn apart, too, so that seeds that share none stay as they were.

use std::time::Duration;

use projections::generations::BuildFrom;
use sagas::testing::Chance;

use super::{Act, Fault, Wrong};

/// A node that is stopped for longer has lost its lease, and what it has read may be deleted.
const LONGEST_STOP: u64 = 60;

/// Has all nodes share the view, in some histories, and adds what goes wrong then: the lease moves,
/// a node is stopped past it or cannot reach it, operators change generations meanwhile. Gives how
/// long a former generation is kept.
pub fn with_shared_views(
    seed: u64,
    nodes: usize,
    acts: &mut [Act],
    faults: &mut Vec<Fault>,
) -> Option<Duration> {
    let mut chance = Chance::seeded(seed.rotate_left(12) ^ 0x5a2e);
    if nodes == 1 || !chance.is(50) {
        return None;
    }

    // Nobody deletes what is shared.
    faults.retain(|fault| !matches!(fault.what, Wrong::ViewsGone | Wrong::ViewStoreGone));
    for act in acts.iter_mut() {
        if chance.is(30) {
            act.reads += 1 + chance.below(6);
        }
    }

    let last = acts.iter().map(|act| act.at).max().unwrap_or_default();
    let count = chance.of(&[1, 3, 6]).unwrap_or(1);
    for _ in 0..count {
        let at = chance.moment(2 * last);
        let node = chance.index(u64::try_from(nodes).unwrap_or(1));
        let longest = Duration::from_secs(1 << chance.below(6));
        let mut add = |what, lasts| {
            faults.push(Fault {
                at,
                lasts,
                what,
                node,
            });
        };

        match chance.below(6) {
            0 => add(Wrong::LeaseLost, Duration::ZERO),
            1 => add(Wrong::LeaseOutOfReach, chance.moment(longest)),
            2 => add(Wrong::Crash, chance.moment(longest)),
            _ => {
                let stop = Duration::from_secs(5 + chance.below(LONGEST_STOP - 5));
                add(
                    Wrong::ViewsSlow(chance.below(800)),
                    Duration::from_secs(2) + stop,
                );
                add(Wrong::Rebuild(from(&mut chance)), Duration::ZERO);
                add(Wrong::Stopped, stop);
            }
        }
        if chance.is(50) {
            let later = chance.moment(Duration::from_secs(LONGEST_STOP));
            faults.push(Fault {
                at: at + later,
                lasts: Duration::ZERO,
                what: Wrong::Rebuild(from(&mut chance)),
                node,
            });
        }
    }
    chance.of(&[Duration::ZERO, Duration::from_secs(30)])
}

fn from(chance: &mut Chance) -> BuildFrom {
    match chance.is(50) {
        true => BuildFrom::History,
        false => BuildFrom::Entities,
    }
}
