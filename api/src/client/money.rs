//! Money as the contract writes it, `{"amount": "12.34"}`, checked before anything is sent.
//!
//! No arithmetic happens here: the node computes, this only refuses what no node would take and writes one spelling, so that an
//! import run again sends equal bodies under equal keys.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// A non-negative amount with at most two decimals, in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    cents: u64,
}

impl Amount {
    /// An amount from cents.
    #[must_use]
    pub const fn from_cents(cents: u64) -> Self {
        Self { cents }
    }

    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let hundredths = match fraction {
            None => 0,
            Some(fraction) if digits(fraction) && fraction.len() == 1 => fraction.parse::<u64>().ok()? * 10,
            Some(fraction) if digits(fraction) && fraction.len() == 2 => fraction.parse().ok()?,
            Some(_) => return None,
        };
        if !digits(whole) {
            return None;
        }
        let cents = whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(hundredths)?;
        Some(Self { cents })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{:02}", self.cents / 100, self.cents % 100)
    }
}

/// The object around the amount, as it stands on the wire.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    amount: Spelling,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Spelling {
    Text(String),
    Number(serde_json::Number),
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Wire::deserialize(deserializer)?.amount {
            Spelling::Text(text) => text,
            // The shortest decimal of the number is what stood in the file, up to trailing zeros.
            Spelling::Number(number) => {
                let text = number.to_string();
                text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
            }
        };
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("amount must be a decimal of 0 or more with at most two decimals, got {text:?}")))
    }
}

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written {
            amount: String,
        }
        Written { amount: self.to_string() }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Amount, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn text_and_number_are_the_same_amount() {
        for json in [r#"{"amount":"12.5"}"#, r#"{"amount":"12.50"}"#, r#"{"amount":12.5}"#] {
            assert_eq!(read(json).unwrap(), Amount::from_cents(1250), "{json}");
        }
        assert_eq!(read(r#"{"amount":7}"#).unwrap(), Amount::from_cents(700));
        assert_eq!(read(r#"{"amount":7.0}"#).unwrap(), Amount::from_cents(700));
        assert_eq!(serde_json::to_string(&Amount::from_cents(5)).unwrap(), r#"{"amount":"0.05"}"#);
    }

    #[test]
    fn what_is_no_money_is_refused() {
        for amount in [r#""1.234""#, r#""-1""#, r#""""#, r#"".5""#, r#""1.""#, r#""1,5""#, r#""1e2""#, "-3", "0.005", "null", r#""99999999999999999999""#] {
            assert!(read(&format!(r#"{{"amount":{amount}}}"#)).is_err(), "{amount}");
        }
        assert!(read(r#"{"amount":"1","currency":"EUR"}"#).is_err());
    }
}
