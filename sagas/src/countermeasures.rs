//! Countermeasures against the isolation that sagas lack, as types.
//!
//! A saga's steps commit one by one, so others see its half-done work. The names are those of Frank
//! and Zahle (*Semantic ACID properties in multidatabases using remote procedure calls and update
//! propagations*, 1998), as taken up by Richardson in *Microservices Patterns*, chapter 4.

/// Semantic lock: a state of an entity that says a saga is at work on it. Commands that conflict
/// are refused at once instead of waiting, so nothing can deadlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemanticLock {
    /// The type of the saga: the name of its definition.
    pub held_by: &'static str,
}

/// What can be counted: credit, seats, pieces in stock.
pub trait Amount: Copy + PartialOrd {
    /// Nothing left, the lowest value that an update may leave.
    const ZERO: Self;

    /// The sum; `None` when it cannot be represented.
    #[must_use]
    fn checked_add(self, other: Self) -> Option<Self>;

    /// The difference; `None` when it cannot be represented.
    #[must_use]
    fn checked_sub(self, other: Self) -> Option<Self>;
}

macro_rules! amounts {
    ($($integer:ty),+) => {$(
        impl Amount for $integer {
            const ZERO: Self = 0;

            fn checked_add(self, other: Self) -> Option<Self> {
                <$integer>::checked_add(self, other)
            }

            fn checked_sub(self, other: Self) -> Option<Self> {
                <$integer>::checked_sub(self, other)
            }
        }
    )+};
}

amounts!(u32, u64, i64);

/// Commutative update: additions and subtractions give the same sum in any order, so that sagas
/// that change one entity need not wait for each other. (Whether an update is *granted* may depend
/// on the order; once granted, it commutes.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommutativeUpdate<A> {
    /// Adds the amount.
    Add(A),
    /// Subtracts the amount; never below zero.
    Subtract(A),
}

impl<A: Amount> CommutativeUpdate<A> {
    /// The sum after the update; `None` when it cannot be represented or would fall below zero.
    #[must_use]
    pub fn apply(self, sum: A) -> Option<A> {
        match self {
            CommutativeUpdate::Add(amount) => sum.checked_add(amount),
            CommutativeUpdate::Subtract(amount) => {
                sum.checked_sub(amount).filter(|sum| *sum >= A::ZERO)
            }
        }
    }
}

/// Reread value: before a saga's last word, it checks that what it began with has not changed in
/// between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RereadValue {
    /// The version that the saga began with.
    pub expected_version: u64,
}

/// The value read again differs from the one the saga began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed;

impl RereadValue {
    /// # Errors
    /// [`Changed`] when `version` differs from the expected one.
    pub fn check(self, version: u64) -> Result<(), Changed> {
        if version == self.expected_version {
            Ok(())
        } else {
            Err(Changed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn updates_commute(start in 0i64..1_000_000, a in 0i64..1_000, b in 0i64..1_000) {
            let start = start + 1_000;
            let (add, subtract) = (CommutativeUpdate::Add(a), CommutativeUpdate::Subtract(b));
            let one = add.apply(start).and_then(|sum| subtract.apply(sum));
            let other = subtract.apply(start).and_then(|sum| add.apply(sum));
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn more_than_there_is_cannot_be_taken() {
        assert_eq!(CommutativeUpdate::Subtract(2i64).apply(1), None);
        assert_eq!(CommutativeUpdate::Subtract(2u64).apply(1), None);
        assert_eq!(CommutativeUpdate::Subtract(1u64).apply(1), Some(0));
    }

    #[test]
    fn a_value_reread_is_the_same_only_at_the_same_version() {
        let reread = RereadValue {
            expected_version: 3,
        };
        assert_eq!(reread.check(3), Ok(()));
        assert_eq!(reread.check(4), Err(Changed));
    }
}
