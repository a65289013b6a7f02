//! Which customer the next order is for: uniform, one hot customer, or Zipf.

use rand::Rng;
use rand::distr::{Distribution as _, weighted::WeightedIndex};
use rand::rngs::SmallRng;

use super::options::Distribution;

/// The exponent of the Zipf distribution: customer k is chosen with a weight of 1/k.
const EXPONENT: f64 = 1.0;

/// Chooses customers by a distribution.
#[derive(Debug, Clone)]
pub enum Picker {
    /// Each of this many customers equally often.
    Uniform(usize),
    /// Always the first customer.
    Hot,
    /// Customer k with a weight of 1/k.
    Zipf(WeightedIndex<f64>),
}

impl Picker {
    /// For customers that are numbered from 0.
    pub fn new(
        distribution: Distribution,
        customers: u32,
    ) -> Result<Picker, rand::distr::weighted::Error> {
        Ok(match distribution {
            Distribution::Uniform => {
                Picker::Uniform(usize::try_from(customers).unwrap_or(usize::MAX))
            }
            Distribution::Hot => Picker::Hot,
            Distribution::Zipf => Picker::Zipf(WeightedIndex::new(
                (1..=customers).map(|rank| f64::from(rank).powf(-EXPONENT)),
            )?),
        })
    }

    /// The place of a customer in the list of all.
    pub fn pick(&self, random: &mut SmallRng) -> usize {
        match self {
            Picker::Uniform(customers) => random.random_range(0..*customers),
            Picker::Hot => 0,
            Picker::Zipf(weights) => weights.sample(random),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn counts(distribution: Distribution, customers: u32) -> Vec<u32> {
        let picker = Picker::new(distribution, customers).unwrap();
        let mut random = SmallRng::seed_from_u64(7);
        let mut counts = vec![0; usize::try_from(customers).unwrap()];
        for _ in 0..100_000 {
            counts[picker.pick(&mut random)] += 1;
        }
        counts
    }

    #[test]
    fn zipf_chooses_the_first_customer_k_times_as_often_as_the_kth() {
        let counts = counts(Distribution::Zipf, 100);
        let ratio = |rank: usize| f64::from(counts[0]) / f64::from(counts[rank - 1]);
        assert!((ratio(2) - 2.0).abs() < 0.2, "{}", ratio(2));
        assert!((ratio(10) - 10.0).abs() < 1.5, "{}", ratio(10));
        // 1 / H(100): the first customer's share of everything.
        assert!((f64::from(counts[0]) / 100_000.0 - 0.1928).abs() < 0.01);
    }

    #[test]
    fn uniform_reaches_every_customer_about_equally_often() {
        assert!(
            counts(Distribution::Uniform, 100)
                .iter()
                .all(|count| (800..1_200).contains(count))
        );
    }

    #[test]
    fn a_hot_customer_gets_every_order() {
        assert_eq!(counts(Distribution::Hot, 3), [100_000, 0, 0]);
    }
}
