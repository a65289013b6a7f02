//! Money: an amount in the deployment's one currency, kept in cents and never in floating point.
//!
//! On the wire it is `{"amount": "12.34"}`; a JSON number is accepted on input. Arithmetic is
//! checked: an overflow is a value the caller must handle, not a wrap-around.

mod number;

use std::fmt;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};

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

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Money", 1)?;
        object.serialize_field("amount", &format_args!("{self}"))?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire {
            amount: Amount,
        }

        // A derived impl would also take an array of the fields.
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Wire;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object such as {\"amount\": \"12.34\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Wire, A::Error> {
                Wire::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer
            .deserialize_map(ObjectVisitor)
            .map(|wire| wire.amount.0)
    }
}

/// The bare amount: a decimal text, or a JSON number on input.
struct Amount(Money);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;

        impl Visitor<'_> for AmountVisitor {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal text such as \"12.34\", or a number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                text.parse().map(Amount).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Amount, E> {
                self.visit_str(&number.to_string())
            }

            // The shortest text that reads back as the same number is what the sender wrote, for
            // all amounts below 10^13 with two decimals (15 significant digits).
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Amount, E> {
                self.visit_str(&number.to_string())
            }
        }

        deserializer.deserialize_any(AmountVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_texts_and_numbers_with_at_most_two_decimals() {
        for (json, cents) in [
            (r#"{"amount":"12.34"}"#, 1234),
            (r#"{"amount":"12.3"}"#, 1230),
            (r#"{"amount":"12"}"#, 1200),
            (r#"{"amount":12.34}"#, 1234),
            (r#"{"amount":15}"#, 1500),
            (r#"{"amount":0.07}"#, 7),
            (r#"{"amount":"-1.00"}"#, -100),
        ] {
            assert_eq!(
                serde_json::from_str::<Money>(json).unwrap().cents(),
                cents,
                "{json}"
            );
        }
    }

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

    #[test]
    fn refuses_what_is_not_an_object_with_an_amount_alone() {
        for json in [
            r#"["1"]"#,
            "[1]",
            "[]",
            "7",
            r#""1""#,
            "{}",
            r#"{"amount":["1"]}"#,
            r#"{"amount":null}"#,
            r#"{"amount":"1","amount":"1"}"#,
            r#"{"amount":"1","currency":"EUR"}"#,
        ] {
            assert!(serde_json::from_str::<Money>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(cents in -MAX_CENTS..=MAX_CENTS) {
            let money = Money::from_cents(cents);
            let json = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }

        #[test]
        fn a_json_number_means_its_decimal_text(cents in 0i64..1_000_000_000) {
            let money = Money::from_cents(cents);
            let json = format!(r#"{{"amount":{money}}}"#);
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }
    }
}
