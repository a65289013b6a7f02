//! What a shard has in memory: it loads what is wanted in few reads, and lets go of what nobody
//! needs.

use actix::Actor;
use metrics::counter;
use sagas::{Definitions, Effect, Run, SagaId};
use store::sagas::StoredSaga;
use store::{Message, StoreError};
use uuid::Uuid;

use super::{Entities, Role, role_of};
use crate::entity::{Entity, EntityActor};
use crate::loading::{Loaded, Snapshots};
use crate::metric_names as names;
use crate::request::{Command, Request};
use crate::saga::{SagaActor, Told, awaited_by};
use crate::step::{Step, StepError, Turn};
use crate::supervision::caught;

impl<E: Entity> Entities<E> {
    /// The sagas of this shard that are stuck, some at least, and whom each waits for.
    pub(crate) async fn stuck_sagas(&self, most: usize) -> Result<Vec<(SagaId, Uuid)>, StoreError> {
        if E::SAGAS.is_empty() {
            return Ok(Vec::new());
        }
        let (definitions, shard) = (Definitions::of(E::SAGAS), self.around.shard);
        let limit = u64::try_from(most).unwrap_or(u64::MAX);
        let stuck = store::sagas::stuck(&self.around.database, &definitions, shard, limit).await?;
        // A participant that panics over the data of one keeps nobody else from theirs.
        let of = |run: &Run<E::Saga>| Some((run.id, caught(|| awaited_by(run)).ok()?));
        Ok(stuck.iter().filter_map(of).collect())
    }

    pub(super) fn want(&mut self, id: Uuid) {
        if !self.entities.contains(id) {
            self.wanted.insert(id);
        }
    }

    pub(super) fn want_saga(&mut self, id: SagaId) {
        match self.entity_of.get(&id).copied() {
            Some(entity) if self.sagas.is_live(id) => self.want(entity),
            _ => {
                self.wanted_sagas.insert(id);
            }
        }
    }

    pub(super) fn start(&mut self, id: Uuid, loaded: Option<Loaded<E>>) {
        let newest = loaded.as_ref().map_or(0, |loaded| loaded.snapshot);
        let snapshots = Snapshots::new(self.around.loading, newest);
        let stored = loaded.map(|loaded| loaded.stored);

        let actor = EntityActor::new(id, stored, snapshots, self.around.faults.clone());
        self.entities.insert(id, actor.start());
        self.around.activated.increment(1);
    }

    fn start_saga(&mut self, id: SagaId, entity: Uuid, actor: SagaActor<E::Saga>) {
        self.sagas.insert(id, actor.start());
        self.entity_of.insert(id, entity);
        self.around.activated.increment(1);
    }

    /// Takes in a saga that has just begun, and gives its first answer.
    pub(super) fn set_out(
        &mut self,
        begun: (Run<E::Saga>, Vec<Effect<E::Saga>>),
        turn: Turn,
    ) -> Result<Told<E::Saga>, StepError> {
        let (shard, policy) = (self.around.shard, self.around.policy);
        let faults = self.around.faults.clone();
        let (actor, told) = SagaActor::begun(shard, begun, policy, faults, turn.now)?;
        self.start_saga(told.run.id, told.run.entity, actor);
        Ok(told)
    }

    /// Loads what is wanted.
    pub(crate) async fn load(&mut self) -> Result<(), StoreError> {
        self.load_sagas().await?;
        for id in std::mem::take(&mut self.wanted_woken) {
            if self.sagas.is_absent(SagaId(id)) {
                self.want(id);
            }
        }
        self.load_entities().await?;
        self.load_parts().await
    }

    /// Reads the sagas that are wanted, and wants the entities they work on, too.
    async fn load_sagas(&mut self) -> Result<(), StoreError> {
        if self.wanted_sagas.is_empty() {
            return Ok(());
        }

        let ids: Vec<_> = self.wanted_sagas.drain().collect();
        let mut found =
            store::sagas::load(&self.around.database, &Definitions::of(E::SAGAS), &ids).await?;

        for id in ids {
            if self.sagas.is_live(id) {
                continue;
            }
            match found.remove(&id) {
                None => self.sagas.note_absent(id),
                Some(Err(error)) => self.sagas.note_unreadable(id, error.chain()),
                Some(Ok(stored)) => self.start_loaded(stored),
            }
        }
        Ok(())
    }

    fn start_loaded(&mut self, stored: StoredSaga<E::Saga>) {
        let (id, entity) = (stored.saga.id, stored.saga.entity);
        self.want(entity);

        let (shard, policy) = (self.around.shard, self.around.policy);
        let faults = self.around.faults.clone();
        let start = || SagaActor::loaded(shard, stored, policy, faults);
        // Its definition is asked whom it waits for.
        match caught(start) {
            Ok(actor) => self.start_saga(id, entity, actor),
            Err(panic) => self.sagas.note_unreadable(id, panic),
        }
    }

    async fn load_entities(&mut self) -> Result<(), StoreError> {
        if self.wanted.is_empty() {
            return Ok(());
        }

        let ids: Vec<_> = self.wanted.drain().collect();
        let mut found = self.around.source().load::<E>(&ids).await?;

        for id in ids {
            if self.entities.is_live(id) {
                continue;
            }
            match found.remove(&id).transpose() {
                Ok(loaded) => self.start(id, loaded),
                Err(error) => self.entities.note_unreadable(id, error.chain()),
            }
        }
        Ok(())
    }

    async fn load_parts(&mut self) -> Result<(), StoreError> {
        for (entity, key) in self.new_parts.drain() {
            if let Some(known) = self.entities.parts_of(entity) {
                known.insert(key, Ok(None));
                self.read_for.insert(entity);
            }
        }

        if self.wanted_parts.is_empty() {
            return Ok(());
        }

        let wanted: Vec<_> = self.wanted_parts.drain().collect();
        let keys: Vec<_> = wanted.iter().map(|(_, key)| *key).collect();
        let found = E::load_parts(&self.around.database, &keys).await?;

        for (entity, key) in wanted {
            let stored = match found.get(&key) {
                None => Ok(None),
                Some(Ok(part)) => Ok(Some(part.clone())),
                Some(Err(error)) => Err(error.chain()),
            };
            if let Some(known) = self.entities.parts_of(entity) {
                known.insert(key, stored);
                self.read_for.insert(entity);
            }
        }
        Ok(())
    }

    /// The step's unit has this ticket: its entities stay in memory until that is durable.
    pub(crate) fn took_part(&mut self, step: &Step<E>, ticket: u64) {
        for id in &step.touched {
            self.entities.took_part(*id, ticket);
            self.sagas.took_part(SagaId(*id), ticket);
        }
        if let Some((saga, _)) = &step.ended {
            self.ended.push(*saga);
        }
    }

    /// Drops the actors that a message asks: the next read loads them anew.
    pub(crate) fn drop_actors_of(&mut self, message: &Message) {
        match role_of::<E>(message) {
            Role::Request => self.entities.remove(message.entity),
            Role::Event => {}
            Role::Reply | Role::Nested => self.drop_actors_of_saga(SagaId(message.entity)),
        }
    }

    /// Drops the actors that a request asks.
    pub(crate) fn drop_actors_of_request(&mut self, request: &Request<E>) {
        match &request.question.command {
            Command::Create { id, .. } | Command::Entity { id, .. } | Command::FollowEntity(id) => {
                self.entities.remove(*id)
            }
            Command::Saga { id, .. } | Command::FollowSaga(id) => {
                self.drop_actors_of_saga(*id);
            }
            Command::Parked { .. } | Command::Bulk { .. } | Command::Note(_) => {}
        }
    }

    /// Drops whom a timer wakes: a saga with its entity, or an entity.
    pub(crate) fn drop_actors_of_timer(&mut self, id: Uuid) {
        self.drop_actors_of_saga(SagaId(id));
        if !E::HANDLERS.is_empty() {
            self.entities.remove(id);
        }
    }

    /// Drops a saga with the entity it works on.
    pub(crate) fn drop_actors_of_saga(&mut self, id: SagaId) {
        self.sagas.remove(id);
        if let Some(entity) = self.entity_of.remove(&id) {
            self.entities.remove(entity);
        }
    }

    /// Drops everything that is in memory.
    pub(crate) fn forget(&mut self) {
        self.entities.clear();
        self.sagas.clear();
        self.entity_of.clear();
        self.ended.clear();
        self.read.clear();
        self.wanted.clear();
        self.wanted_sagas.clear();
        self.wanted_woken.clear();
        self.wanted_parts.clear();
        self.new_parts.clear();
        self.read_for.clear();
    }

    /// The turn is over: drops what was read for it alone.
    pub(crate) fn end_turn(&mut self) {
        self.read.clear();
        self.entities.end_turn(self.read_for.drain());
        self.sagas.end_turn([]);
    }

    /// Passivates what nobody needs, where no unit is in flight.
    pub(crate) fn passivate(&mut self, durable: u64) {
        let Entities {
            sagas,
            entity_of,
            ended,
            ..
        } = self;

        ended.retain(|id| {
            let gone = sagas.retire(*id, durable);
            if gone {
                entity_of.remove(id);
            }
            !gone
        });

        let passivated = self.entities.passivate(durable) + self.sagas.passivate(durable);

        if self.entity_of.len() > 2 * self.sagas.len() + 64 {
            let sagas = &self.sagas;
            self.entity_of.retain(|id, _| sagas.contains(*id));
        }

        if passivated > 0 {
            counter!(names::ACTORS_PASSIVATED, "service" => E::SERVICE.name())
                .increment(u64::try_from(passivated).unwrap_or(0));
        }
    }

    /// How many actors are in memory.
    pub(crate) fn live(&self) -> usize {
        self.entities.len() + self.sagas.len()
    }
}
