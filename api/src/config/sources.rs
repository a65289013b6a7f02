//! Where the values of settings come from: default, TOML file, environment (also `…_FILE` for
//! secrets) and flag, each over the former.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::backend::masked;
use super::value::Refusal;
use super::{ConfigError, SETTINGS, Setting, SettingFlags, file, reason};

/// The variable that names the TOML file; `--config` stands over it.
pub(super) const CONFIG_VARIABLE: &str = "COUNTERFOIL_CONFIG";

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
        let (effective, errors) = Effective::all_of_process(flags);
        match errors.into_iter().next() {
            None => Ok(effective),
            Some(first) => Err(first),
        }
    }

    /// The same with everything that is wrong with the sources, and what could be had of them.
    pub(super) fn all_of_process(flags: &SettingFlags) -> (Effective, Vec<ConfigError>) {
        Effective::gather(flags, &|variable| std::env::var_os(variable))
    }

    /// From the flags and the given environment.
    pub(super) fn gather(
        flags: &SettingFlags,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> (Effective, Vec<ConfigError>) {
        let mut errors = Vec::new();
        let mut values: BTreeMap<&'static str, Given> = SETTINGS
            .iter()
            .map(|setting| (setting.name, Given::default_of(setting)))
            .collect();

        let path = flags
            .config_file()
            .map(Path::to_path_buf)
            .or_else(|| environment(CONFIG_VARIABLE).map(PathBuf::from));
        if let Some(path) = path {
            let (found, refused) = file::read(&path);
            values.extend(found);
            errors.extend(refused);
        }

        for setting in SETTINGS {
            match from_environment(setting, environment) {
                Ok(None) => {}
                Ok(Some(given)) => {
                    values.insert(setting.name, given);
                }
                Err(error) => errors.push(error),
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

        (Effective { values }, errors)
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

        parse(given.value.trim()).map_err(|Refusal::NotAllowed| ConfigError::NotAllowed {
            setting: setting.environment,
            value: masked(&given.value),
            origin: given.origin.clone(),
            allowed: setting.allowed,
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
                reason: reason(&error),
            }),
        },
        (None, None) => Ok(None),
    }
}
