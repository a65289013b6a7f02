//! How much an audit looks at, and at what pace.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How much an audit looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    #[default]
    Full,
    /// About so many customers, orders and sagas each, another sample each time; of each outbox the
    /// newest messages. Everything of what is rare.
    Sample(u64),
}

/// How an audit goes about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// After each part it rests for so many times the time that took: 0 does not rest.
    pub rest: u32,
}

/// The longest rest: an audit gets to its end.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// The parts of something large that an audit takes, one after the other.
#[derive(Debug)]
pub(super) struct Parts {
    pace: Pace,
    /// One of so many is taken.
    stride: u64,
    /// So many are left out before the next one.
    left_out: u64,
    begun: Instant,
}

impl Parts {
    /// Of `all` things in parts of `size`, so that about as many things are taken as the extent
    /// says: parts at equal distances, from a random one on.
    pub(super) fn of(extent: Extent, pace: Pace, all: u64, size: u64) -> Self {
        let stride = stride(extent, all, size);
        // The last digits of a new id are random.
        let chance = Uuid::now_v7().as_u128() % u128::from(stride);
        Parts {
            pace,
            stride,
            left_out: u64::try_from(chance).unwrap_or(0),
            begun: Instant::now(),
        }
    }

    /// Whether the next part is to be looked at; rests from the one before.
    pub(super) async fn takes(&mut self) -> bool {
        if self.left_out > 0 {
            self.left_out -= 1;
            return false;
        }
        self.left_out = self.stride - 1;

        let rest = self.begun.elapsed().saturating_mul(self.pace.rest);
        if !rest.is_zero() {
            sleep(rest.min(LONGEST_REST)).await;
        }
        self.begun = Instant::now();
        true
    }
}

fn stride(extent: Extent, all: u64, size: u64) -> u64 {
    match extent {
        Extent::Full => 1,
        Extent::Sample(wanted) => {
            let (parts, wanted) = (all.div_ceil(size.max(1)), wanted.div_ceil(size.max(1)));
            (parts / wanted.max(1)).max(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_about_as_large_as_was_asked_for() {
        assert_eq!(stride(Extent::Full, 1_000_000, 500), 1);
        assert_eq!(stride(Extent::Sample(5_000), 1_000_000, 500), 200);
        assert_eq!(stride(Extent::Sample(1), 1_000_000, 500), 2_000);
        assert_eq!(stride(Extent::Sample(5_000), 400, 500), 1);
        assert_eq!(stride(Extent::Sample(0), 0, 500), 1);
    }

    #[tokio::test]
    async fn one_part_of_a_stride_is_taken_wherever_it_begins() {
        for _ in 0..20 {
            let mut parts = Parts::of(Extent::Sample(500), Pace::default(), 5_000, 500);
            let mut taken = 0;
            for _ in 0..10 {
                taken += u32::from(parts.takes().await);
            }
            assert_eq!(taken, 1);
        }
    }
}
