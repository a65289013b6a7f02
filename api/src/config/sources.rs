//! Where the values of settings come from: default, TOML file, environment (also `…_FILE` for
//! secrets) and flag, each over the former.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::backend::masked;
use super::settings::{SETTINGS, Setting};
use super::value::Refusal;
use super::{ConfigError, SettingFlags};

/// The variable that names the TOML file; `--config` stands over it.
const CONFIG_VARIABLE: &str = "COUNTERFOIL_CONFIG";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing names it.
    Default,
    /// The TOML file.
    File(PathBuf),
    /// The environment variable of the setting.
    Environment(&'static str),
    /// The file named by the variable `…_FILE`.
    SecretFile(PathBuf),
    /// The flag of the setting.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(file) => write!(f, "from {}", file.display()),
            Origin::Environment(_) => f.write_str("from the environment"),
            Origin::SecretFile(file) => write!(f, "from the file {}", file.display()),
            Origin::Flag(flag) => write!(f, "from {flag}"),
        }
    }
}

/// A value as it was given, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The text as it was given.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// The value in force of every setting.
#[derive(Clone, Debug)]
pub struct Effective {
    values: BTreeMap<&'static str, Given>,
}

impl Effective {
    /// From the arguments and environment of this process.
    ///
    /// # Errors
    /// A source that cannot be read, or one that names an unknown setting.
    pub fn of_process(flags: &SettingFlags) -> Result<Effective, ConfigError> {
        Effective::gather(flags, &|variable| std::env::var_os(variable))
    }

    /// From the flags and the given environment.
    pub(super) fn gather(
        flags: &SettingFlags,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Effective, ConfigError> {
        let mut values: BTreeMap<&'static str, Given> = SETTINGS
            .iter()
            .map(|setting| (setting.name, Given::default_of(setting)))
            .collect();

        let file = flags
            .config_file()
            .map(Path::to_path_buf)
            .or_else(|| environment(CONFIG_VARIABLE).map(PathBuf::from));

        if let Some(file) = file {
            values.extend(read_file(&file)?);
        }

        for setting in SETTINGS {
            if let Some(given) = from_environment(setting, environment)? {
                values.insert(setting.name, given);
            }
        }

        for (setting, value) in flags.values() {
            let origin = Origin::Flag(setting.flag);
            values.insert(
                setting.name,
                Given {
                    value: value.to_owned(),
                    origin,
                },
            );
        }

        Ok(Effective { values })
    }

    /// Every setting with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Setting, &Given)> {
        SETTINGS
            .iter()
            .filter_map(|setting| self.values.get(setting.name).map(|given| (setting, given)))
    }

    pub(super) fn parse<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Result<T, ConfigError> {
        let found = self.iter().find(|(setting, _)| setting.name == name);

        let (setting, given) = found.ok_or(ConfigError::NotText {
            variable: name.to_owned(),
        })?;

        parse(given.value.trim()).map_err(|refusal| {
            let (setting, allowed, origin) =
                (setting.environment, setting.allowed, given.origin.clone());
            let value = masked(&given.value);
            match refusal {
                Refusal::NotAllowed => ConfigError::NotAllowed {
                    setting,
                    value,
                    origin,
                    allowed,
                },
                Refusal::NotYet => ConfigError::NotYet {
                    setting,
                    value,
                    origin,
                    allowed,
                },
            }
        })
    }
}

impl Given {
    fn default_of(setting: &Setting) -> Given {
        Given {
            value: setting.default.to_owned(),
            origin: Origin::Default,
        }
    }
}

fn from_environment(
    setting: &'static Setting,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<Given>, ConfigError> {
    let text = |variable: &str, value: OsString| {
        value.into_string().map_err(|_| ConfigError::NotText {
            variable: variable.to_owned(),
        })
    };

    let name = setting.environment;
    let direct = environment(name)
        .map(|value| text(name, value))
        .transpose()?;

    let file = if setting.secret {
        environment(&format!("{name}_FILE")).map(PathBuf::from)
    } else {
        None
    };

    match (direct, file) {
        (Some(_), Some(_)) => Err(ConfigError::SetTwice { setting: name }),
        (Some(value), None) => Ok(Some(Given {
            value,
            origin: Origin::Environment(name),
        })),
        (None, Some(file)) => match std::fs::read_to_string(&file) {
            Ok(value) => Ok(Some(Given {
                value: value.trim().to_owned(),
                origin: Origin::SecretFile(file),
            })),
            Err(error) => Err(ConfigError::SecretFile {
                setting: name,
                file,
                reason: error.to_string(),
            }),
        },
        (None, None) => Ok(None),
    }
}

fn read_file(file: &Path) -> Result<Vec<(&'static str, Given)>, ConfigError> {
    let unreadable = |reason: String| ConfigError::File {
        file: file.to_path_buf(),
        reason,
    };

    let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    // The parser's own text has several lines; its message is the one that counts.
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| unreadable(one_line(error.message())))?;

    table
        .into_iter()
        .map(|(key, value)| {
            let setting = SETTINGS
                .iter()
                .find(|setting| setting.name == key)
                .ok_or_else(|| ConfigError::UnknownKey {
                    key: key.clone(),
                    file: file.to_path_buf(),
                    allowed: SETTINGS
                        .iter()
                        .map(|setting| setting.name)
                        .collect::<Vec<_>>()
                        .join(", "),
                })?;
            let found = value.type_str();
            let value = plain_text(value).ok_or(ConfigError::WrongKind {
                key,
                file: file.to_path_buf(),
                found,
            })?;
            Ok((
                setting.name,
                Given {
                    value,
                    origin: Origin::File(file.to_path_buf()),
                },
            ))
        })
        .collect()
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

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
