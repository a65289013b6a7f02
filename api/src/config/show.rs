//! `config show`: the values in force with their origin, as a TOML file that says the same.

use std::fmt::Write;

use super::Effective;
use super::backend::masked;

/// One line per setting. Passwords are masked.
#[must_use]
pub fn show(effective: &Effective) -> String {
    let lines: Vec<(String, String)> = effective
        .iter()
        .map(|(setting, given)| {
            let value = if setting.secret {
                masked(&given.value)
            } else {
                given.value.clone()
            };
            // A JSON text is a TOML text, too.
            let text = serde_json::Value::String(value);
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
