//! Money: an amount in the deployment's one currency, kept in cents and never in floating point.
//!
//! On the wire it is `{"amount": "12.34"}`; a JSON number is accepted on input. Arithmetic is
//! checked: an overflow is a value the caller must handle, not a wrap-around.

mod json;
mod number;

use std::fmt;
use std::str::FromStr;

use sagas::countermeasures;

/// The largest amount a request may name: 10 trillion, far below what an `i64` of cents holds, so
/// that sums of many amounts stay representable.
pub const MAX_CENTS: i64 = 1_000_000_000_000_000;

/// An amount of money in cents. May be negative only as an intermediate value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// Why a text is not an amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number.
    #[error("must be a decimal number such as \"12.34\"")]
    NotADecimal,
    /// A fraction of a cent.
    #[error("must have at most two decimals")]
    TooManyDecimals,
    /// More than [`MAX_CENTS`].
    #[error("must be at most 10000000000000.00")]
    TooLarge,
}

impl Money {
    /// No money.
    pub const ZERO: Money = Money(0);

    /// This many cents.
    #[must_use]
    pub const fn from_cents(cents: i64) -> Self {
        Money(cents)
    }

    /// The amount in cents.
    #[must_use]
    pub const fn cents(self) -> i64 {
        self.0
    }

    /// The sum; `None` on overflow.
    #[must_use]
    pub fn checked_add(self, other: Money) -> Option<Money> {
        self.0.checked_add(other.0).map(Money)
    }

    /// The difference, which may be negative; `None` on overflow.
    #[must_use]
    pub fn checked_sub(self, other: Money) -> Option<Money> {
        self.0.checked_sub(other.0).map(Money)
    }

    /// The product; `None` on overflow.
    #[must_use]
    pub fn checked_mul(self, factor: u32) -> Option<Money> {
        self.0.checked_mul(i64::from(factor)).map(Money)
    }

    /// Whether it is more than zero.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Whether it is less than zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
}

impl countermeasures::Amount for Money {
    const ZERO: Self = Money::ZERO;

    fn checked_add(self, other: Self) -> Option<Self> {
        Money::checked_add(self, other)
    }

    fn checked_sub(self, other: Self) -> Option<Self> {
        Money::checked_sub(self, other)
    }
}

/// Money where nobody outside reads it: a whole number of cents.
pub(crate) mod as_cents {
    use super::Money;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(money: &Money, serializer: S) -> Result<S::Ok, S::Error> {
        money.cents().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        i64::deserialize(deserializer).map(Money::from_cents)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };

        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(MoneyError::NotADecimal),
            None => (digits, ""),
        };

        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return Err(MoneyError::NotADecimal);
        }

        if fraction.len() > 2 {
            return Err(MoneyError::TooManyDecimals);
        }

        let whole: i64 = whole.parse().map_err(|_| MoneyError::TooLarge)?;

        let cents: i64 = format!("{fraction:0<2}")
            .parse()
            .map_err(|_| MoneyError::NotADecimal)?;

        let cents = whole
            .checked_mul(100)
            .and_then(|units| units.checked_add(cents))
            .filter(|cents| *cents <= MAX_CENTS)
            .ok_or(MoneyError::TooLarge)?;

        Ok(Money(if negative { -cents } else { cents }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_an_amount() {
        for (text, error) in [
            ("", MoneyError::NotADecimal),
            ("12.", MoneyError::NotADecimal),
            (".5", MoneyError::NotADecimal),
            ("1e3", MoneyError::NotADecimal),
            ("+1", MoneyError::NotADecimal),
            ("--1", MoneyError::NotADecimal),
            ("NaN", MoneyError::NotADecimal),
            ("1.234", MoneyError::TooManyDecimals),
            ("10000000000000.01", MoneyError::TooLarge),
            ("99999999999999999999", MoneyError::TooLarge),
        ] {
            assert_eq!(text.parse::<Money>(), Err(error), "{text}");
        }
    }
}
