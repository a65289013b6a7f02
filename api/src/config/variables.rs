//! Variables of the environment that look like settings and are none: most often a word is spelled
//! wrongly, and the node runs with a default instead.

use super::ConfigError;
use super::settings::SETTINGS;
use super::sources::CONFIG_VARIABLE;

const PREFIX: &str = "COUNTERFOIL_";
/// What the scripts and tests of this project read.
const OF_THE_PROJECT: [&str; 5] = [
    "COUNTERFOIL_TEST_",
    "COUNTERFOIL_CI_",
    "COUNTERFOIL_BIN",
    "COUNTERFOIL_SERVICES_DIR",
    "COUNTERFOIL_SERVICES_CACHE",
];
/// From here on two names are alike enough to be the same word.
const ALIKE: f64 = 0.75;

/// The variables of this process that no setting has, each with the name that it resembles.
#[must_use]
pub fn unknown_of_process() -> Vec<ConfigError> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    unknown(names)
}

pub(super) fn unknown(names: impl Iterator<Item = String>) -> Vec<ConfigError> {
    let known = known();
    let mut unknown: Vec<String> = names
        .filter(|name| name.starts_with(PREFIX) && !known.contains(name))
        .filter(|name| !OF_THE_PROJECT.iter().any(|start| name.starts_with(start)))
        .collect();
    unknown.sort();

    unknown
        .into_iter()
        .map(|variable| ConfigError::UnknownVariable {
            hint: hint(&variable, &known),
            variable,
        })
        .collect()
}

fn known() -> Vec<String> {
    let settings = SETTINGS.iter().flat_map(|setting| {
        let name = setting.environment.to_owned();
        let file = setting.secret.then(|| format!("{name}_FILE"));
        [Some(name), file].into_iter().flatten()
    });
    let others = [CONFIG_VARIABLE].into_iter().chain(client::args::VARIABLES);
    settings.chain(others.map(str::to_owned)).collect()
}

fn hint(variable: &str, known: &[String]) -> String {
    let alike = |name: &&String| strsim::normalized_damerau_levenshtein(variable, name);
    let nearest = known
        .iter()
        .max_by(|one, other| alike(one).total_cmp(&alike(other)))
        .filter(|name| alike(name) >= ALIKE);
    match nearest {
        Some(name) => format!("did you mean {name}?"),
        None => "`counterfoil serve --help` lists them".to_owned(),
    }
}
