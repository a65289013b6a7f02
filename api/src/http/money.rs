//! Money in a request: `{"amount": "12.34"}`, or a JSON number as the amount.
//!
//! A number is read from its text. The way through a float would round digits beyond cents away
//! instead of refusing them.

use std::borrow::Cow;
use std::fmt;

use domain::Money;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An amount exactly as the caller has written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactMoney(pub Money);

impl<'de> Deserialize<'de> for ExactMoney {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire<'a> {
            #[serde(borrow)]
            amount: &'a RawValue,
        }

        // A derived impl would also take an array of the fields.
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = ExactMoney;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object such as {\"amount\": \"12.34\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ExactMoney, A::Error> {
                let wire = Wire::deserialize(MapAccessDeserializer::new(map))?;
                amount(wire.amount.get()).map(ExactMoney)
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

fn amount<E: de::Error>(raw: &str) -> Result<Money, E> {
    if !raw.starts_with('"') {
        return Money::from_number(raw).map_err(E::custom);
    }

    // A text may be written with escapes.
    #[derive(serde::Deserialize)]
    struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

    let Text(text) = serde_json::from_str(raw).map_err(E::custom)?;
    text.parse().map_err(E::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(amount: &str) -> Result<i64, String> {
        serde_json::from_str(&format!("{{\"amount\": {amount} }}"))
            .map(|ExactMoney(money)| money.cents())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn texts_and_numbers_are_read_to_the_cent() {
        for (amount, cents) in [
            (r#""12.34""#, 1234),
            (r#""\u0031""#, 100),
            ("12.34", 1234),
            ("15", 1500),
            ("1e2", 10_000),
            ("-0.07", -7),
            ("9999999999999.99", 999_999_999_999_999),
        ] {
            assert_eq!(read(amount), Ok(cents), "{amount}");
        }
    }

    #[test]
    fn digits_beyond_cents_are_refused_in_every_form() {
        for amount in [
            r#""4.350000000000000000001""#,
            "4.350000000000000000001",
            "9999999999999.9999",
            "435.0000000000000000001e-2",
        ] {
            let told = read(amount).unwrap_err();
            assert!(told.contains("at most two decimals"), "{amount}: {told}");
        }
    }

    #[test]
    fn what_is_no_object_with_an_amount_alone_is_refused() {
        for amount in ["null", "true", "[1]", "{}", r#""1e2""#, r#""NaN""#, "1e400"] {
            assert!(read(amount).is_err(), "{amount}");
        }

        for json in [
            "[1]",
            "7",
            "{}",
            r#"{"amount":1,"amount":1}"#,
            r#"{"amount":1,"currency":"EUR"}"#,
        ] {
            assert!(serde_json::from_str::<ExactMoney>(json).is_err(), "{json}");
        }
    }
}
