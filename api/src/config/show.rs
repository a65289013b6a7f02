//! `config show`: the values in force with their origin, as a TOML file that says the same.

use std::fmt::Write;

use serde_json::{Value, json};

use super::backend::masked;
use super::{Effective, Given, Setting};

/// One line per setting. Passwords are masked.
#[must_use]
pub fn show(effective: &Effective) -> String {
    let lines: Vec<(String, String)> = effective
        .iter()
        .map(|(setting, given)| {
            // A JSON text is a TOML text, too.
            let text = Value::String(shown(setting, given));
            (
                format!("{} = {text}", setting.name),
                format!("# {}", given.origin),
            )
        })
        .collect();

    let width = lines
        .iter()
        .map(|(line, _)| line.chars().count())
        .max()
        .unwrap_or(0);

    lines
        .iter()
        .fold(String::new(), |mut text, (line, origin)| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line:width$}  {origin}");
            text
        })
}

/// The same as one JSON object: per setting its value, where it comes from, and how it is set.
#[must_use]
pub fn show_json(effective: &Effective) -> Value {
    let described = |(setting, given): (&'static Setting, &Given)| {
        let facts = json!({
            "value": shown(setting, given),
            "origin": given.origin.to_string(),
            "default": setting.default,
            "environment": setting.environment,
            "flag": setting.flag,
        });
        (setting.name.to_owned(), facts)
    };
    Value::Object(effective.iter().map(described).collect())
}

/// The value, its password masked.
fn shown(setting: &Setting, given: &Given) -> String {
    if setting.secret {
        masked(&given.value)
    } else {
        given.value.clone()
    }
}
