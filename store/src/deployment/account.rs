//! What a database says about itself, and about the others.

use std::collections::BTreeMap;
use std::path::PathBuf;

use uuid::Uuid;

use crate::StoreError;

/// A shard by the names that stand in the databases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardName {
    /// By its name.
    pub service: String,
    /// Its number within the service.
    pub number: u16,
}

impl std::fmt::Display for ShardName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.number)
    }
}

impl ShardName {
    fn parse(text: &str) -> Option<Self> {
        let (service, number) = text.split_once('/')?;
        Some(ShardName {
            service: service.to_owned(),
            number: number.parse().ok()?,
        })
    }
}

/// What a database says, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Where the database is; on a server its address, which is no file.
    pub file: PathBuf,
    /// Whose it is, by name.
    pub service: String,
    /// The deployment it belongs to.
    pub deployment: Option<Uuid>,
    /// The deployment that began its history, when it was restored from a backup since.
    pub origin: Option<Uuid>,
    /// All databases of the deployment had its id when this was noted.
    pub complete: bool,
    /// A node has taken over shards of it.
    pub used: bool,
    /// The newest sequence in the outbox of each shard; a shard without one has sent nothing.
    pub ends: BTreeMap<u16, u64>,
    /// How far its shards have read others: receiver, source and position.
    pub received: Vec<(u16, ShardName, u64)>,
    /// How far the others had come when it was noted last.
    pub seen: BTreeMap<ShardName, u64>,
}

impl Account {
    /// The newest sequence of one of its shards; 0 when it has sent nothing.
    #[must_use]
    pub fn end(&self, shard: u16) -> u64 {
        self.ends.get(&shard).copied().unwrap_or(0)
    }
}

/// What a service may note of the others, as it is stored.
pub(super) fn seen_of_others(service: &str, accounts: &[Account]) -> Result<String, StoreError> {
    let ends: BTreeMap<String, u64> = accounts
        .iter()
        .filter(|other| other.service != service)
        .flat_map(|other| {
            other
                .ends
                .iter()
                .map(|(number, end)| (format!("{}/{number}", other.service), *end))
        })
        .collect();

    serde_json::to_string(&ends).map_err(|error| StoreError::Corrupt {
        what: format!("what {service} has seen of the others"),
        source: Box::new(error),
    })
}

pub(super) fn seen_from_json(json: &str) -> Option<BTreeMap<ShardName, u64>> {
    let named: BTreeMap<String, u64> = serde_json::from_str(json).ok()?;
    named
        .into_iter()
        .map(|(name, end)| Some((ShardName::parse(&name)?, end)))
        .collect()
}
