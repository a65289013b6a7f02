//! Everything that has happened, as the outboxes have it: read once for all who look.

use std::collections::{BTreeMap, BTreeSet};

use domain::Service;
use sagas::ShardId;
use store::simulated::MemoryDatabase;
use store::{Destination, Message};
use uuid::Uuid;

use crate::world::World;

/// The events of all services, and their notices.
pub struct Events(BTreeMap<Service, Vec<Message>>);

impl Events {
    /// All of them, when everything is at rest.
    pub fn read(world: &World) -> Self {
        let of = |disk: &MemoryDatabase| {
            let sources = ShardId::all_of(disk.service(), world.plan.shards);
            let sent = sources.flat_map(|source| disk.outbox(source.number, 0));
            let events = sent.filter(|message| message.destination == Destination::Events);
            (disk.service(), events.collect())
        };
        Events(world.disks.iter().map(of).collect())
    }

    /// Those of a service, each entity's in their order.
    pub fn of(&self, service: Service) -> &[Message] {
        self.0.get(&service).map_or(&[], Vec::as_slice)
    }

    /// The entities of a service that have a history.
    pub fn entities(&self, service: Service) -> BTreeSet<Uuid> {
        let events = self.of(service).iter().filter(|event| !event.is_notice());
        events.map(|event| event.entity).collect()
    }
}
