//! Countermeasures against the isolation that sagas lack, as types.
//!
//! A saga's steps commit one by one, so others see its half-done work. The names are those of Frank
//! and Zahle (*Semantic ACID properties in multidatabases using remote procedure calls and update
//! propagations*, 1998), as taken up by Richardson in *Microservices Patterns*, chapter 4.

use crate::money::Money;
use crate::saga::SagaKind;

/// Semantic lock: a state of an entity that says a saga is at work on it. Commands that conflict
/// are refused at once, none is held back, so that there is nothing to deadlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemanticLock {
    pub held_by: SagaKind,
}

/// Commutative update: reservations and releases of credit give the same balance in any order, so
/// that sagas of one customer need not wait for each other. (Whether a reservation is *granted*
/// does depend on the order; once granted, it commutes.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommutativeUpdate {
    Reserve(Money),
    Release(Money),
}

impl CommutativeUpdate {
    /// The reserved sum after the update; `None` when it cannot be represented or would fall below
    /// zero.
    #[must_use]
    pub fn apply(self, reserved: Money) -> Option<Money> {
        match self {
            CommutativeUpdate::Reserve(amount) => reserved.checked_add(amount),
            CommutativeUpdate::Release(amount) => reserved
                .checked_sub(amount)
                .filter(|sum| !sum.is_negative()),
        }
    }
}

/// Reread value: before a saga's last word, check that what it began with has not changed in
/// between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RereadValue {
    pub expected_version: u64,
}

/// The value read again is not the one the saga began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed;

impl RereadValue {
    /// # Errors
    /// [`Changed`] when `version` is another than the expected one.
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
            let start = Money::from_cents(start + 1_000);
            let reserve = CommutativeUpdate::Reserve(Money::from_cents(a));
            let release = CommutativeUpdate::Release(Money::from_cents(b));
            let one = reserve.apply(start).and_then(|sum| release.apply(sum));
            let other = release.apply(start).and_then(|sum| reserve.apply(sum));
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn more_than_is_reserved_cannot_be_released() {
        assert_eq!(
            CommutativeUpdate::Release(Money::from_cents(2)).apply(Money::from_cents(1)),
            None
        );
    }
}
