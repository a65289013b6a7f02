//! Reads the TOML file: one key per setting. Whatever is wrong with it is told with its line.

use std::collections::HashMap;
use std::path::Path;

use toml::de::DeTable;

use super::sources::{Given, Origin};
use super::{ConfigError, SETTINGS, Setting, reason};

/// The settings that the file names, and everything that is wrong with it.
pub fn read(file: &Path) -> (Vec<(&'static str, Given)>, Vec<ConfigError>) {
    match parsed(file) {
        Err(error) => (Vec::new(), vec![error]),
        Ok((table, places)) => {
            let (mut values, mut errors) = (Vec::new(), Vec::new());
            for (key, value) in table {
                let place = places.get(&key).cloned().unwrap_or_default();
                match setting_of(key, value, (file, place)) {
                    Ok(value) => values.push(value),
                    Err(error) => errors.push(error),
                }
            }
            (values, errors)
        }
    }
}

/// The keys with their values, and where each key stands.
fn parsed(file: &Path) -> Result<(toml::Table, HashMap<String, String>), ConfigError> {
    let refuse = |reason: String| ConfigError::File {
        file: file.to_path_buf(),
        reason,
    };

    let text = std::fs::read_to_string(file).map_err(|error| refuse(reason(&error)))?;
    // The parser's own text has several lines; its message is the one that counts.
    let not_toml = |error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        refuse(format!(
            "{}: {}",
            place(&text, at),
            one_line(error.message())
        ))
    };
    let table: toml::Table = text.parse().map_err(not_toml)?;
    let keys = DeTable::parse(&text).map_err(not_toml)?;
    let places = keys
        .get_ref()
        .keys()
        .map(|key| (key.get_ref().to_string(), place(&text, key.span().start)));
    Ok((table, places.collect()))
}

fn setting_of(
    key: String,
    value: toml::Value,
    (file, place): (&Path, String),
) -> Result<(&'static str, Given), ConfigError> {
    let names = |setting: &&Setting| setting.name == key;
    let Some(setting) = SETTINGS.iter().find(names) else {
        let all: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        return Err(ConfigError::UnknownKey {
            key,
            file: file.to_path_buf(),
            place,
            allowed: all.join(", "),
        });
    };

    let found = value.type_str();
    let value = plain_text(value).ok_or(ConfigError::WrongKind {
        key,
        file: file.to_path_buf(),
        place,
        found,
    })?;
    let origin = Origin::File(file.to_path_buf());
    Ok((setting.name, Given { value, origin }))
}

/// The text of a TOML value, as it would stand in the environment.
fn plain_text(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Array(values) => {
            let texts: Vec<String> = values
                .into_iter()
                .map(|value| value.as_str().map(str::to_owned))
                .collect::<Option<_>>()?;
            Some(texts.join(","))
        }
        toml::Value::Boolean(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// Line and column of a byte, each from 1; a column counts characters.
fn place(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    format!("line {line}, column {column}")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
