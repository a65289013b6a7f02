//! Which versions of messages a service has written. Each is noted in the database with the first
//! message of it, in one transaction, so that a release that does not read it is refused at its
//! start, and none is before.

use std::collections::BTreeMap;

use crate::unit::Unit;

/// What the name of the setting begins with that holds the newest version of a message.
pub(crate) const SETTING: &str = "wire:";

/// What is noted.
pub(super) const NOTED: &str = "SELECT name, value FROM settings WHERE name LIKE 'wire:%'";
/// Notes a version by the name of its setting, both as text. One that is newer stays: numbers
/// without zeros before them are in the order of their lengths first.
pub(super) const NOTE: &str = "INSERT INTO settings (name, value) VALUES ($1, $2) \
    ON CONFLICT (name) DO UPDATE SET value = excluded.value \
    WHERE (length(settings.value), settings.value) < (length(excluded.value), excluded.value)";

/// What is to be noted: the newest version of each message, by its name.
pub(super) type Versions = BTreeMap<&'static str, u16>;

/// What is noted, as it was read or written through one connection.
#[derive(Debug, Default)]
pub(super) struct NotedVersions(BTreeMap<String, u16>);

impl NotedVersions {
    /// What the settings have, by their names and values. One that cannot be read counts as none.
    pub(super) fn read(settings: impl IntoIterator<Item = (String, String)>) -> Self {
        let versions = settings.into_iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(SETTING)?.to_owned();
            Some((name, value.parse().ok()?))
        });
        NotedVersions(versions.collect())
    }

    /// The versions that messages of these units are the first of. In the order of their names, so
    /// that nodes that note the same at once wait for each other in one order.
    pub(super) fn missing(&self, units: &[Unit]) -> Versions {
        let mut missing = Versions::new();

        for outgoing in units.iter().filter_map(|unit| unit.outgoing.as_ref()) {
            let events = outgoing.events.iter();
            let events = events.map(|event| (event.name, event.type_version));
            let messages = outgoing.messages.iter();
            let messages = messages.map(|message| (message.name, message.type_version));

            for (name, version) in events.chain(messages) {
                if self.0.get(name).is_none_or(|noted| *noted < version) {
                    let newest = missing.entry(name).or_insert(version);
                    *newest = version.max(*newest);
                }
            }
        }
        missing
    }

    /// These are durable.
    pub(super) fn noted(&mut self, versions: Versions) {
        let versions = versions.into_iter();
        self.0
            .extend(versions.map(|(name, version)| (name.to_owned(), version)));
    }
}

/// The setting of a message, and its value.
pub(super) fn setting((name, version): (&&str, &u16)) -> (String, String) {
    (format!("{SETTING}{name}"), version.to_string())
}
