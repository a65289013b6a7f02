//! What a commit of the index carries besides the documents: the positions and
//! the entities in quarantine, in the commit's payload, so that all become durable as one.

use domain::{Service, ShardId};
use serde::{Deserialize, Serialize};
use store::Positions;

use crate::QuarantinedEntity;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CommitState {
    pub(super) positions: Positions,
    pub(super) quarantined: Vec<QuarantinedEntity>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    positions: Vec<(Service, u16, u64)>,
    #[serde(default)]
    quarantined: Vec<QuarantinedEntity>,
}

impl CommitState {
    /// `None` when the payload is missing or not one of ours.
    pub(super) fn read(payload: Option<&str>) -> Option<Self> {
        let wire: Wire = serde_json::from_str(payload?).ok()?;
        let entry = |(service, number, position)| (ShardId::new(service, number), position);
        let positions = wire.positions.into_iter().map(entry).collect();
        Some(CommitState {
            positions,
            quarantined: wire.quarantined,
        })
    }

    pub(super) fn write(&self) -> String {
        let entry = |(shard, position): (&ShardId, &u64)| (shard.service, shard.number, *position);
        let positions = self.positions.iter().map(entry).collect();
        let wire = Wire {
            positions,
            quarantined: self.quarantined.clone(),
        };
        // Numbers and names of services have no value that JSON cannot hold; were it so, the index
        // would be rebuilt.
        serde_json::to_string(&wire).unwrap_or_default()
    }
}
