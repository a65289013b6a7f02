//! How far an outbox has come, by destination.

use std::collections::BTreeMap;

use sagas::{Service, ShardId, Timestamp};

use super::{Destination, Message};
use crate::StoreError;

/// The newest sequence per destination of one shard's outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    newest: BTreeMap<Destination, u64>,
    /// The same for receivers of services that are not registered here.
    unknown: BTreeMap<String, u64>,
    /// Everything up to here has been published; never behind `newest`.
    published: u64,
    /// When the newest event happened; not noted, and so unknown of a shard whose outbox was
    /// published in whole when it was taken over.
    event_time: Option<Timestamp>,
}

impl Heads {
    /// Gives the head before.
    pub(crate) fn advance(&mut self, message: &Message) -> u64 {
        self.published = self.published.max(message.sequence);
        if message.destination == Destination::Events {
            self.event_time = Some(message.time);
        }
        self.newest
            .insert(message.destination, message.sequence)
            .unwrap_or(0)
    }

    /// Takes in what another node knows of the same outbox: never less than is known here.
    pub(crate) fn hear(&mut self, other: &Heads) {
        let further = |known: &mut u64, heard: u64| *known = heard.max(*known);
        for (destination, sequence) in &other.newest {
            further(self.newest.entry(*destination).or_default(), *sequence);
        }
        for (name, sequence) in &other.unknown {
            further(self.unknown.entry(name.clone()).or_default(), *sequence);
        }

        further(&mut self.published, other.published);
        self.event_time = self.event_time.max(other.event_time);
    }

    /// Takes in a message of another node's outbox, in the same way.
    pub(crate) fn hear_of(&mut self, message: &Message) {
        let newest = self.newest.entry(message.destination).or_default();
        *newest = message.sequence.max(*newest);

        self.published = self.published.max(message.sequence);
        if message.destination == Destination::Events {
            self.event_time = self.event_time.max(Some(message.time));
        }
    }

    /// Everything up to here is published, whatever it was.
    pub(crate) fn reach(&mut self, sequence: u64) {
        self.published = self.published.max(sequence);
    }

    /// The sequence of the newest message to a destination; 0 when there is none.
    #[must_use]
    pub fn newest(&self, destination: Destination) -> u64 {
        self.newest.get(&destination).copied().unwrap_or(0)
    }

    /// The shards that messages have ever been sent to.
    pub fn receivers(&self) -> impl Iterator<Item = ShardId> {
        self.newest.keys().filter_map(|to| match to {
            Destination::Shard(shard) => Some(*shard),
            Destination::Events => None,
        })
    }

    /// Whether messages were sent to services that are not registered here, whoever they are.
    #[must_use]
    pub fn has_unknown_receivers(&self) -> bool {
        !self.unknown.is_empty()
    }

    /// Everything up to here has been published.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.published
    }

    /// When the newest event happened, if that is known.
    #[must_use]
    pub fn event_time(&self) -> Option<Timestamp> {
        self.event_time
    }

    pub(crate) fn to_json(&self) -> String {
        let named: BTreeMap<String, u64> = self
            .newest
            .iter()
            .map(|(to, sequence)| (name_of(*to), *sequence))
            .chain(self.unknown.clone())
            .collect();
        serde_json::to_string(&named).unwrap_or_else(|_| "{}".to_owned())
    }

    pub(crate) fn from_json(
        shard: ShardId,
        published: u64,
        json: &str,
    ) -> Result<Self, StoreError> {
        let corrupt = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Corrupt {
            what: format!("the published positions of shard {shard}"),
            source,
        };

        let named: BTreeMap<String, u64> =
            serde_json::from_str(json).map_err(|e| corrupt(e.into()))?;
        let mut heads = Heads {
            published,
            ..Heads::default()
        };

        for (name, sequence) in named {
            match destination_of(&name) {
                Some(destination) => heads.newest.insert(destination, sequence),
                None => heads.unknown.insert(name, sequence),
            };
        }

        Ok(heads)
    }
}

fn name_of(destination: Destination) -> String {
    match destination {
        Destination::Events => "events".to_owned(),
        Destination::Shard(shard) => shard.to_string(),
    }
}

fn destination_of(name: &str) -> Option<Destination> {
    if name == "events" {
        return Some(Destination::Events);
    }
    let (service, number) = name.split_once('/')?;
    Some(Destination::Shard(ShardId::new(
        Service::from_name(service)?,
        number.parse().ok()?,
    )))
}
