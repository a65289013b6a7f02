//! Which versions of messages a service has written. Each is noted in the database with the first
//! message of it, in one transaction, so that a release that does not read it is refused at its
//! start, and none is before.

use std::collections::BTreeMap;

use crate::unit::Unit;

/// What the name of the setting begins with that holds the newest version of a message.
pub(crate) const SETTING: &str = "wire:";

/// Notes a version by the name of its setting, both as text. One that is newer stays.
pub(super) const NOTE: &str = "INSERT INTO settings (name, value) VALUES ($1, $2) \
    ON CONFLICT (name) DO UPDATE SET value = excluded.value \
    WHERE CAST(settings.value AS INTEGER) < CAST(excluded.value AS INTEGER)";

/// The newest version of each message, by its name.
type Versions = BTreeMap<&'static str, u16>;

/// What is noted as far as this process knows: it may be more.
#[derive(Debug, Default)]
pub(super) struct NotedVersions(Versions);

impl NotedVersions {
    /// The versions that messages of these units are the first of. In the order of their names, so that
    /// nodes that note the same at once wait for each other in one order.
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
        self.0.extend(versions);
    }

    /// Nothing is known of what is noted: the database may be another one than before.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// The setting of a message, and its value.
pub(super) fn setting((name, version): (&&str, &u16)) -> (String, String) {
    (format!("{SETTING}{name}"), version.to_string())
}
