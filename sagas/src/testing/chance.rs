//! Random numbers, the same ones in every run of a test.

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

    /// One of the items; `None` when there is none.
    pub fn of<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        let number = self.below(u64::try_from(items.len()).unwrap_or(0));
        items.get(usize::try_from(number).unwrap_or(0)).copied()
    }
}
