//! The configuration of a node: what can be set, where a value comes from, and the typed result.
//!
//! `settings` describes every setting once: parsing, the flags of the command line, `config show`
//! and `config check` follow from there. A value comes from the flag, else the environment, else
//! the TOML file, else the default (`sources`). Nothing here opens or connects anything; a node
//! refuses a value that it cannot use before anything starts.

mod backend;
mod file;
mod flags;
mod places;
mod setting;
mod settings;
mod show;
mod sources;
mod together;
pub(crate) mod value;
mod variables;

#[cfg(test)]
mod tests;

pub use backend::{DatabaseBackend, DocumentsBackend, LogBackend, SearchBackend, SecretUrl};
pub use flags::SettingFlags;
pub use places::Hosts;
pub use setting::Setting;
pub use settings::{Config, SETTINGS};
pub use show::{show, show_json};
pub use sources::{Effective, Given, Origin};
pub use value::{LogFormat, RelayBy, Role, Switch};
pub use variables::unknown_of_process;

use std::path::PathBuf;

/// Why a node does not start: one line that names the setting, the value and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that the setting cannot have.
    #[error("{setting} is {value:?} ({origin}), which is not allowed; allowed: {allowed}")]
    NotAllowed {
        /// The setting, by its key and variable.
        setting: &'static str,
        /// The text as it was given.
        value: String,
        /// Where it came from.
        origin: Origin,
        /// What a value may be, for people.
        allowed: &'static str,
    },
    /// Two values that are allowed, and not together.
    #[error("{setting} is {value}, while {beside}; allowed then: {allowed}")]
    NotTogether {
        /// The setting, by its key.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What the other one is, and perhaps why that matters.
        beside: &'static str,
        /// What it may be beside the other one.
        allowed: &'static str,
    },
    /// The file has a key that is no setting.
    #[error(
        "unknown setting {key:?} in the config file {}, {place}; allowed: {allowed}",
        file.display()
    )]
    UnknownKey {
        /// The key in the file.
        key: String,
        /// The file.
        file: PathBuf,
        /// Line and column of the key.
        place: String,
        /// The keys there are.
        allowed: String,
    },
    /// The file has a value that is no text, number or list of texts.
    #[error(
        "{key} in the config file {}, {place}, is {found}; \
         allowed: a text, a number or a list of texts",
        file.display()
    )]
    WrongKind {
        /// The key in the file.
        key: String,
        /// The file.
        file: PathBuf,
        /// Line and column of the key.
        place: String,
        /// The kind of value found.
        found: &'static str,
    },
    /// The file cannot be read, or is no TOML.
    #[error(
        "the config file {} cannot be read: {reason}; allowed: the path of a TOML file",
        file.display()
    )]
    File {
        /// The file.
        file: PathBuf,
        /// Why it cannot be read.
        reason: String,
    },
    /// The file that is to hold a secret cannot be read.
    #[error(
        "{setting}_FILE is {:?}, which cannot be read: {reason}; \
         allowed: the path of a file with the value",
        file.display().to_string()
    )]
    SecretFile {
        /// The setting, by its key and variable.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// Why it cannot be read.
        reason: String,
    },
    /// A secret is given both by itself and by a file.
    #[error("{setting} and {setting}_FILE are both set; allowed: one of them")]
    SetTwice {
        /// The variable of the setting, without `_FILE`.
        setting: &'static str,
    },
    /// The environment holds what looks like a setting and is none. A node starts all the same, and
    /// warns: what it does not know may be meant for somebody else.
    #[error("{variable} is set, and there is no such setting; {hint}")]
    UnknownVariable {
        /// The variable.
        variable: String,
        /// What may have been meant.
        hint: String,
    },
    /// The environment holds bytes that are no text.
    #[error("{variable} is not UTF-8; allowed: text")]
    NotText {
        /// The variable.
        variable: String,
    },
}

impl Config {
    /// Reads the configuration of this process: file, environment and flags.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn load(flags: &SettingFlags) -> Result<Config, ConfigError> {
        let config = Config::read(&Effective::of_process(flags)?)?;
        match config.do_not_go_together().into_iter().next() {
            Some(error) => Err(error),
            None => Ok(config),
        }
    }

    /// Everything that is wrong with the configuration of this process. What a node starts with all
    /// the same is among it: a check is asked for by somebody who wants to know.
    #[must_use]
    pub fn check(flags: &SettingFlags) -> Vec<ConfigError> {
        let (effective, mut errors) = Effective::all_of_process(flags);
        errors.extend(Config::refusals(&effective));
        if let Ok(config) = Config::read(&effective) {
            errors.extend(config.do_not_go_together());
        }
        errors.extend(unknown_of_process());
        errors
    }
}

/// The words of the operating system without the number of the error.
#[must_use]
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error")
        .map_or(text.clone(), |(words, _)| words.to_owned())
}
