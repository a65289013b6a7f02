//! Random numbers, the same ones in every run of a test.

use std::time::Duration;

/// A sequence of numbers that follows from its seed (Steele, Lea and Flood, *SplitMix*, 2014).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The sequence of this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Chance(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below the bound; 0 for 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// The same as an index.
    pub fn index(&mut self, bound: u64) -> usize {
        usize::try_from(self.below(bound)).unwrap_or(0)
    }

    /// Whether something happens that happens so many times in a hundred.
    pub fn is(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A moment before this time is over, to the millisecond; the beginning when it is shorter.
    pub fn moment(&mut self, within: Duration) -> Duration {
        let millis = u64::try_from(within.as_millis()).unwrap_or(0);
        Duration::from_millis(self.below(millis))
    }

    /// One of the items; `None` when there is none.
    pub fn of<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        let index = self.index(u64::try_from(items.len()).unwrap_or(0));
        items.get(index).copied()
    }
}
