//! The JSON form of money: `{"amount": "12.34"}`, read also with a JSON number as the amount.
//!
//! Whoever reads money reads it here: bodies of requests, lines of import files, stored events. An
//! amount is read from its own text, whichever form it has. The way through a float would round
//! digits beyond cents away instead of refusing them; what buffers values before it knows their
//! type (an internally tagged enum) has taken that way already, so reading from it is an error.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Money;

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Money", 1)?;
        object.serialize_field("amount", &format_args!("{self}"))?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Owned, because documents of a view are read from values, which lend no text.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire {
            amount: Box<RawValue>,
        }

        // A derived impl would also take an array of the fields.
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Money;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object such as {\"amount\": \"12.34\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Money, A::Error> {
                let wire = Wire::deserialize(MapAccessDeserializer::new(map))?;
                amount(wire.amount.get())
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
    #[derive(Deserialize)]
    struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

    let Text(text) = serde_json::from_str(raw).map_err(E::custom)?;
    text.parse().map_err(E::custom)
}

#[cfg(test)]
mod tests;
