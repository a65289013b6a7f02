//! Makes the flags of the command line from the descriptions of the settings.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};

use super::{SETTINGS, Setting};

const HEADING: &str = "Settings (each also as environment variable, or as key of the file)";

/// `--config FILE` and one flag per setting, as far as they were given.
#[derive(Clone, Debug, Default)]
pub struct SettingFlags {
    config_file: Option<PathBuf>,
    values: Vec<(&'static Setting, String)>,
}

impl SettingFlags {
    /// The TOML file that `--config` names.
    #[must_use]
    pub fn config_file(&self) -> Option<&Path> {
        self.config_file.as_deref()
    }

    /// The settings that were given, in the order of the command line.
    pub fn values(&self) -> impl Iterator<Item = (&'static Setting, &str)> {
        self.values
            .iter()
            .map(|(setting, value)| (*setting, value.as_str()))
    }

    /// These flags with `later` ones over them: flags may stand before and after a subcommand.
    #[must_use]
    pub fn with(mut self, later: SettingFlags) -> SettingFlags {
        self.config_file = later.config_file.or(self.config_file);
        self.values.extend(later.values);
        self
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("TOML file with settings")
            .help_heading(HEADING);
        SETTINGS.iter().fold(command.arg(file), |command, setting| {
            command.arg(argument(setting))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(setting: &'static Setting) -> Arg {
    let default = if setting.default.is_empty() {
        String::new()
    } else {
        format!(" [default: {}]", setting.default)
    };
    Arg::new(setting.name)
        .long(setting.flag.trim_start_matches('-'))
        .value_name("VALUE")
        .help(format!(
            "{} [{}]{default}",
            setting.meaning, setting.environment
        ))
        .help_heading(HEADING)
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = SettingFlags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        if let Some(file) = matches.get_one::<PathBuf>("config") {
            self.config_file = Some(file.clone());
        }
        let given = SETTINGS.iter().filter_map(|setting| {
            matches
                .get_one::<String>(setting.name)
                .map(|value| (setting, value.clone()))
        });
        self.values.extend(given);
        Ok(())
    }
}
