//! Views that several nodes share: drawn apart, too, so that seeds that share none stay as they
//! were.

use std::time::Duration;

use projections::generations::BuildFrom;
use sagas::testing::Chance;

use super::{Act, Fault, Wrong};

/// A node that is stopped for longer has lost its lease, and what it has read may be deleted.
const LONGEST_STOP: u64 = 60;
/// A rebuild on a slow store takes some seconds.
const SLOW_FOR: Duration = Duration::from_secs(6);

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

/// Adds, where nodes share the view, rebuilds while callers act that meet with trouble in their
/// middle: a node is stopped between two calls of the store, past its lease, or one generation
/// takes nothing in for a while and falls behind another.
pub fn with_interrupted_rebuilds(seed: u64, nodes: usize, acts: &[Act], faults: &mut Vec<Fault>) {
    let mut chance = Chance::seeded(seed.rotate_left(44) ^ 0x17e6);
    let count = chance.of(&[0, 0, 1, 3]).unwrap_or(0);
    let last = acts.iter().map(|act| act.at).max().unwrap_or_default();

    for _ in 0..count {
        let at = chance.moment(last);
        let node = chance.index(u64::try_from(nodes).unwrap_or(1));
        let takes = 50 + chance.below(900);
        let mut add = |what, after, lasts| {
            faults.push(Fault {
                at: at + after,
                lasts,
                what,
                node,
            });
        };

        add(
            Wrong::Rebuild(from(&mut chance)),
            Duration::ZERO,
            Duration::ZERO,
        );
        add(Wrong::ViewsSlow(takes), Duration::ZERO, SLOW_FOR);
        let later = chance.moment(SLOW_FOR);
        match chance.is(50) {
            true => {
                let stop = Duration::from_secs(5 + chance.below(LONGEST_STOP - 5));
                add(Wrong::Stopped, later, stop);
            }
            false => {
                let stalls = Wrong::GenerationsStall { odd: chance.is(50) };
                add(stalls, later, chance.moment(SLOW_FOR));
            }
        }
    }
}

fn from(chance: &mut Chance) -> BuildFrom {
    match chance.is(50) {
        true => BuildFrom::History,
        false => BuildFrom::Entities,
    }
}
