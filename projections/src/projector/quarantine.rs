//! The entities of one view that are in quarantine, in memory; the view's own store keeps them over
//! a restart.

use std::collections::BTreeMap;

use sagas::Service;
use uuid::Uuid;

use crate::port::QuarantinedEntity;

/// With more entities than this in quarantine it is not the data that is bad but the release or the
/// store: the projector stops taking events in, and the view is shown as failed.
pub(super) const MAX_QUARANTINED: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Quarantine {
    entities: BTreeMap<(Service, Uuid), QuarantinedEntity>,
}

impl Quarantine {
    pub(super) fn restore(&mut self, entities: Vec<QuarantinedEntity>) {
        self.entities = entities
            .into_iter()
            .map(|entity| ((entity.source.service, entity.entity), entity))
            .collect();
    }

    pub(super) fn holds(&self, service: Service, entity: Uuid) -> bool {
        // Nearly always empty, and asked for every event.
        !self.entities.is_empty() && self.entities.contains_key(&(service, entity))
    }

    pub(super) fn is_full(&self) -> bool {
        self.entities.len() >= MAX_QUARANTINED
    }

    pub(super) fn insert(&mut self, entity: QuarantinedEntity) {
        self.entities
            .insert((entity.source.service, entity.entity), entity);
    }

    pub(super) fn remove(&mut self, service: Service, entity: Uuid) -> Option<QuarantinedEntity> {
        self.entities.remove(&(service, entity))
    }

    pub(super) fn list(&self) -> Vec<QuarantinedEntity> {
        self.entities.values().cloned().collect()
    }
}
