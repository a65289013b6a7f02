//! Reading JSON objects strictly, and telling all that is wrong with them at once.
//!
//! serde stops at the first error. So this module first takes an object apart into its fields as
//! raw JSON and reads each field by itself; it collects every mistake with the path of its field.
//! Unknown and repeated fields are errors.

use std::borrow::Cow;
use std::fmt;

use domain::order::quantity;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{FieldError, Problem};

/// Tells at most this many errors; more help nobody.
const MAX_ERRORS: usize = 100;

/// What is wrong with a request.
#[derive(Debug, Default)]
pub struct Errors(Vec<FieldError>);

impl Errors {
    /// Notes a mistake, unless many are noted already.
    pub fn add(&mut self, field: impl Into<Cow<'static, str>>, message: impl Into<String>) {
        if self.0.len() < MAX_ERRORS {
            self.0.push(FieldError::new(field, message));
        }
    }

    /// Gives the request when nothing is wrong with it.
    ///
    /// # Errors
    /// The problem that names all that is wrong.
    pub fn finish<T>(self, request: Option<T>) -> Result<T, Problem> {
        match request {
            Some(request) if self.0.is_empty() => Ok(request),
            _ => Err(Problem::invalid(self.0)),
        }
    }
}

/// The fields of a JSON object that have not been taken yet, as raw JSON.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
    place: Place,
}

/// Where an object stands, for the paths of its fields.
#[derive(Clone, Copy, Debug, Default)]
enum Place {
    /// It is the body.
    #[default]
    Body,
    /// It is the order line of this number.
    Line(usize),
    /// It is a field of the body.
    Field(&'static str),
}

impl Place {
    fn path(self, name: &str) -> Option<String> {
        match self {
            Place::Body => None,
            Place::Line(line) => Some(format!("lines[{line}].{name}")),
            Place::Field(field) => Some(format!("{field}.{name}")),
        }
    }
}

impl<'a> Fields<'a> {
    /// # Errors
    /// A text that is no JSON, or no object.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Problem> {
        serde_json::from_slice(bytes)
            .map_err(|error| Problem::malformed(format!("the body must be a JSON object: {error}")))
    }

    /// The object in a line of an order.
    pub fn of_line(number: usize, raw: &'a RawValue, errors: &mut Errors) -> Option<Self> {
        match serde_json::from_str::<Fields<'a>>(raw.get()) {
            Ok(fields) => Some(Fields {
                place: Place::Line(number),
                ..fields
            }),
            Err(_) => {
                errors.add(format!("lines[{number}]"), "must be an object");
                None
            }
        }
    }

    /// The path of a field.
    pub fn path(&self, name: &'static str) -> Cow<'static, str> {
        self.place
            .path(name)
            .map_or(Cow::Borrowed(name), Cow::Owned)
    }

    /// Takes an object within the body, which may be left out: then it is empty.
    pub fn object(&mut self, name: &'static str, errors: &mut Errors) -> Fields<'a> {
        let place = Place::Field(name);
        let fields = match self.take(name).map(|raw| serde_json::from_str(raw.get())) {
            None => Fields::default(),
            Some(Ok(fields)) => fields,
            Some(Err(_)) => {
                errors.add(name, "must be an object");
                Fields::default()
            }
        };
        Fields { place, ..fields }
    }

    /// Whether a field is there and not `null`.
    pub fn has(&self, name: &str) -> bool {
        self.entries
            .iter()
            .any(|(key, raw)| key == name && raw.get() != "null")
    }

    /// Takes a field that may be left out; `null` says the same as leaving it out. `None` also
    /// after an error.
    pub fn optional<T: Deserialize<'a>>(
        &mut self,
        name: &'static str,
        errors: &mut Errors,
    ) -> Option<T> {
        let raw = self.take(name)?;
        match serde_json::from_str(raw.get()) {
            Ok(value) => Some(value),
            Err(error) => {
                errors.add(self.path(name), reason(&error));
                None
            }
        }
    }

    /// Takes a field that must be there. `None` after an error.
    pub fn required<T: Deserialize<'a>>(
        &mut self,
        name: &'static str,
        errors: &mut Errors,
    ) -> Option<T> {
        if self.has(name) {
            return self.optional(name, errors);
        }
        self.take(name);
        errors.add(self.path(name), "is required");
        None
    }

    /// Takes a text of 1 to `longest` characters after trimming. `None` after an error.
    pub fn text(
        &mut self,
        name: &'static str,
        longest: usize,
        errors: &mut Errors,
    ) -> Option<String> {
        let text: Cow<'_, str> = self.required(name, errors)?;
        let text = text.trim();

        let characters = text.chars().count();
        if characters == 0 || characters > longest {
            errors.add(
                self.path(name),
                format!("must have 1 to {longest} characters"),
            );
            return None;
        }

        if !storable(text) {
            errors.add(self.path(name), NOT_STORABLE);
            return None;
        }

        Some(text.to_owned())
    }

    /// Takes a text that may be left out, of at most `longest` characters. `None` also after an
    /// error.
    pub fn optional_text(
        &mut self,
        name: &'static str,
        longest: usize,
        errors: &mut Errors,
    ) -> Option<String> {
        let text: String = self.optional(name, errors)?;
        if text.chars().count() > longest {
            errors.add(
                self.path(name),
                format!("must have at most {longest} characters"),
            );
            return None;
        }

        if !storable(&text) {
            errors.add(self.path(name), NOT_STORABLE);
            return None;
        }

        Some(text)
    }

    /// Takes a text that may be left out, but not be empty otherwise: of 1 to `longest` characters
    /// after trimming. `None` also after an error.
    pub fn text_if_any(
        &mut self,
        name: &'static str,
        longest: usize,
        errors: &mut Errors,
    ) -> Option<String> {
        if self.has(name) {
            return self.text(name, longest, errors);
        }
        // It may be there and say nothing.
        self.take(name);
        None
    }

    /// Takes a whole number from 1 to `largest`, which may be left out; zeros may stand behind its
    /// point. `None` also after an error.
    pub fn whole_number(
        &mut self,
        name: &'static str,
        largest: usize,
        errors: &mut Errors,
    ) -> Option<usize> {
        let raw: &RawValue = self.optional(name, errors)?;
        let number = quantity::from_number(raw.get()).ok();
        let number = number.and_then(|number| usize::try_from(number).ok());
        let number = number.filter(|number| *number <= largest);
        if number.is_none() {
            let allowed = format!("must be a whole number from 1 to {largest}");
            errors.add(self.path(name), allowed);
        }
        number
    }

    /// Refuses any field that has not been taken.
    ///
    /// # Errors
    /// The fields that are there.
    pub fn none(self) -> Result<(), Problem> {
        let mut errors = Errors::default();
        self.finish(&[], &mut errors);
        errors.finish(Some(()))
    }

    /// Adds an error for each field that has not been taken.
    pub fn finish(self, known: &[&'static str], errors: &mut Errors) {
        for (key, _) in &self.entries {
            let path = self.place.path(key);
            let path = path.unwrap_or_else(|| key.clone().into_owned());
            if known.contains(&key.as_ref()) {
                errors.add(path, "must be given once");
            } else {
                errors.add(path, format!("is unknown; allowed: {}", known.join(", ")));
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let index = self.entries.iter().position(|(key, _)| key == name)?;
        let (_, raw) = self.entries.swap_remove(index);
        (raw.get() != "null").then_some(raw)
    }
}

/// What is said of a text that is not [`storable`].
pub(super) const NOT_STORABLE: &str = "must not contain the character U+0000";

/// Databases refuse NUL in texts.
pub(super) fn storable(text: &str) -> bool {
    !text.contains('\0')
}

/// The parser's words without the place, which is one inside the field.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.clone(), |(reason, _)| reason.to_owned())
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                #[derive(serde::Deserialize)]
                struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

                let mut entries = Vec::with_capacity(4);
                while let Some((Key(key), raw)) = map.next_entry()? {
                    entries.push((key, raw));
                }
                Ok(Fields {
                    entries,
                    place: Place::Body,
                })
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let body = br#"{"name":7,"size":3,"size":4,"odd":1}"#;
        let mut fields = Fields::parse(body).unwrap();
        let mut errors = Errors::default();
        let name: Option<String> = fields.required("name", &mut errors);
        let size: Option<u32> = fields.required("size", &mut errors);
        let colour: Option<u32> = fields.required("colour", &mut errors);
        assert_eq!((name, size, colour), (None, Some(3), None));
        fields.finish(&["name", "size", "colour"], &mut errors);
        let told: Vec<&str> = errors.0.iter().map(|error| error.field.as_ref()).collect();
        assert_eq!(told, ["name", "colour", "odd", "size"]);

        assert!(
            errors.0[0].message.ends_with("expected a string"),
            "{:?}",
            errors.0[0]
        );
    }

    #[test]
    fn what_is_no_object_is_malformed() {
        for body in [
            "",
            "{",
            "[]",
            "null",
            "7",
            "{} {}",
            "{\"a\":1,}",
            "{\"a\":\u{1}}",
        ] {
            assert!(Fields::parse(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Fields::parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn a_key_may_be_written_with_escapes() {
        let mut fields = Fields::parse(br#"{"n\u0061me":"x"}"#).unwrap();
        assert_eq!(
            fields.text("name", 10, &mut Errors::default()).as_deref(),
            Some("x")
        );
    }
}
