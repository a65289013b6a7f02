//! What a setting is, apart from its value.

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The key in the TOML file.
    pub name: &'static str,
    /// The flag of the command line.
    pub flag: &'static str,
    /// The environment variable.
    pub environment: &'static str,
    /// The value when nothing names one.
    pub default: &'static str,
    /// What a value may be, for people.
    pub allowed: &'static str,
    /// What it does, for people.
    pub meaning: &'static str,
    /// Whether it may hold a password: `config show` masks it, and the value may come from the file
    /// that `<environment>_FILE` names.
    pub secret: bool,
}
