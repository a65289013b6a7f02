//! The orders service in a shard: orders and their sagas, which share a unit.

mod answers;
mod commands;
mod progress;

use std::collections::HashSet;

use actix::Actor;
use domain::messages::CustomerReply;
use domain::saga::SagaKind;
use domain::{OrderId, SagaId, Timestamp};
use metrics::counter;
use store::sagas::{StoredSaga, StoredTimer};
use store::services::orders::StoredOrder;
use store::{Message, StoreError};

use crate::directory::Directory;
use crate::metric_names as names;
use crate::order::{self, AskOrder, OrderActor};
use crate::request::{Command, Request};
use crate::saga::{self, AskSaga, SagaActor};
use crate::shard::logic::{Logic, Surroundings};
use crate::step::{SagaTimer, Step, StepError, Turn};

/// The orders and sagas of one shard.
pub(crate) struct OrdersLogic {
    around: Surroundings,
    orders: Directory<OrderId, OrderActor>,
    sagas: Directory<SagaId, SagaActor>,
    /// Which order a saga in memory works on.
    order_of: std::collections::HashMap<SagaId, OrderId>,
    /// Sagas that have ended; they leave memory when that is durable.
    ended: Vec<SagaId>,
    wanted_orders: HashSet<OrderId>,
    wanted_sagas: HashSet<SagaId>,
}

impl OrdersLogic {
    pub(crate) fn new(around: Surroundings) -> Self {
        OrdersLogic {
            orders: Directory::new(around.actors_per_shard),
            sagas: Directory::new(around.actors_per_shard),
            around,
            order_of: std::collections::HashMap::new(),
            ended: Vec::new(),
            wanted_orders: HashSet::new(),
            wanted_sagas: HashSet::new(),
        }
    }

    fn want_order(&mut self, id: OrderId) {
        if !self.orders.contains(id) {
            self.wanted_orders.insert(id);
        }
    }

    fn want_saga(&mut self, id: SagaId) {
        match self.order_of.get(&id).copied() {
            Some(order) if self.sagas.is_live(id) => self.want_order(order),
            _ => {
                self.wanted_sagas.insert(id);
            }
        }
    }

    fn start_order(&mut self, id: OrderId, stored: Option<StoredOrder>) {
        let actor = OrderActor::new(id, stored, self.around.faults.clone());
        self.orders.insert(id, actor.start());
        self.around.activated.increment(1);
    }

    fn start_saga(&mut self, stored: StoredSaga) {
        let (id, order) = (stored.saga.id, stored.saga.order_id);
        let actor = SagaActor::new(
            self.around.shard,
            stored,
            self.around.policy,
            self.around.faults.clone(),
        );
        self.sagas.insert(id, actor.start());
        self.order_of.insert(id, order);
        self.around.activated.increment(1);
    }

    /// Reads the sagas that are wanted; the orders they work on are wanted then, too.
    async fn load_sagas(&mut self) -> Result<(), StoreError> {
        if self.wanted_sagas.is_empty() {
            return Ok(());
        }

        let ids: Vec<_> = self.wanted_sagas.drain().collect();
        let mut found = store::sagas::load(&self.around.database, &ids).await?;
        for id in ids {
            if self.sagas.is_live(id) {
                continue;
            }
            match found.remove(&id) {
                None => self.sagas.note_absent(id),
                Some(Err(error)) => self.sagas.note_unreadable(id, error.chain()),
                Some(Ok(stored)) => {
                    self.want_order(stored.saga.order_id);
                    self.start_saga(stored);
                }
            }
        }
        Ok(())
    }

    async fn load_orders(&mut self) -> Result<(), StoreError> {
        if self.wanted_orders.is_empty() {
            return Ok(());
        }

        let ids: Vec<_> = self.wanted_orders.drain().collect();
        let mut found = store::services::orders::load(&self.around.database, &ids).await?;
        for id in ids {
            if self.orders.is_live(id) {
                continue;
            }
            match found.remove(&id).transpose() {
                Ok(stored) => self.start_order(id, stored),
                Err(error) => self.orders.note_unreadable(id, error.chain()),
            }
        }
        Ok(())
    }

    fn drop_saga(&mut self, id: SagaId) {
        self.sagas.remove(id);
        if let Some(order) = self.order_of.remove(&id) {
            self.orders.remove(order);
        }
    }

    async fn ask_order(
        &mut self,
        id: OrderId,
        ask: order::Ask,
        turn: Turn,
    ) -> Result<order::Told, StepError> {
        let address = self.orders.address(id)?;
        Ok(address
            .send(AskOrder { ask, now: turn.now })
            .await
            .map_err(|_| StepError::NoActor)??)
    }

    async fn ask_saga(
        &mut self,
        id: SagaId,
        ask: saga::Ask,
        turn: Turn,
    ) -> Result<saga::Told, StepError> {
        let address = self.sagas.address(id)?;
        Ok(address
            .send(AskSaga { ask, now: turn.now })
            .await
            .map_err(|_| StepError::NoActor)??)
    }
}

impl Logic for OrdersLogic {
    fn want_for_request(&mut self, request: &Request) {
        match &request.command {
            Command::CreateOrder { id, .. } if request.binding.is_some() => {
                // A repeat is answered with what its saga has changed.
                self.want_order(*id);
                self.want_saga(SagaId::derive(SagaKind::CreateOrder.name(), id.0, 1));
            }
            Command::CreateOrder { id, .. } => {
                // A new id: there is nothing to load.
                if !self.orders.contains(*id) {
                    self.start_order(*id, None);
                }
            }
            Command::CancelOrder(id) | Command::ShipOrder(id) => self.want_order(*id),
            Command::RetrySaga(id) | Command::CancelSaga { id, .. } => self.want_saga(*id),
            Command::CreateCustomer { .. } | Command::Replay(_) | Command::Discard(_) => {}
        }
    }

    fn want_for_message(&mut self, message: &Message, _first_attempt: bool) {
        self.want_saga(SagaId(message.entity));
    }

    fn want_for_timer(&mut self, saga: SagaId) {
        self.want_saga(saga);
    }

    async fn load(&mut self) -> Result<(), StoreError> {
        self.load_sagas().await?;
        self.load_orders().await
    }

    async fn message(&mut self, message: &Message, turn: Turn) -> Result<Step, StepError> {
        let reply = CustomerReply::decode(&message.name, message.type_version, message.body.get())?;
        let id = SagaId(message.entity);
        if self.sagas.find(id)?.is_none() {
            return Err(StepError::Impossible(format!("there is no saga {id}")));
        }
        let attempt = message.attempt.clone();
        self.advance(id, saga::Ask::Reply { reply, attempt }, turn)
            .await
    }

    async fn request(&mut self, request: &mut Request, turn: Turn) -> Result<Step, StepError> {
        self.carry_out(request, turn).await
    }

    async fn timer(
        &mut self,
        saga: SagaId,
        set_for: Timestamp,
        turn: Turn,
    ) -> Result<Step, StepError> {
        if self.sagas.find(saga)?.is_none() {
            return Err(StepError::Impossible(format!("there is no saga {saga}")));
        }
        self.advance(saga, saga::Ask::Wake { set_for }, turn).await
    }

    fn timer_of(&self, stored: &StoredTimer) -> SagaTimer {
        SagaTimer {
            saga: stored.saga,
            wake_at: Some(stored.wake_at),
            waits_for: stored.waits_for,
            longest: self
                .around
                .policy
                .longest_wait(stored.state, stored.attempts),
        }
    }

    fn took_part(&mut self, step: &Step, ticket: u64) {
        for id in &step.touched {
            self.orders.took_part(OrderId(*id), ticket);
            self.sagas.took_part(SagaId(*id), ticket);
        }
        if let Some((saga, _)) = &step.ended {
            self.ended.push(*saga);
        }
    }

    fn drop_actors_of(&mut self, message: &Message) {
        self.drop_saga(SagaId(message.entity));
    }

    fn drop_actors_of_request(&mut self, request: &Request) {
        match &request.command {
            Command::CreateOrder { id, .. } | Command::CancelOrder(id) | Command::ShipOrder(id) => {
                self.orders.remove(*id);
            }
            Command::RetrySaga(id) | Command::CancelSaga { id, .. } => self.drop_saga(*id),
            Command::CreateCustomer { .. } | Command::Replay(_) | Command::Discard(_) => {}
        }
    }

    fn drop_actors_of_saga(&mut self, saga: SagaId) {
        self.drop_saga(saga);
    }

    fn forget(&mut self) {
        self.orders.clear();
        self.sagas.clear();
        self.order_of.clear();
        self.ended.clear();
        self.wanted_orders.clear();
        self.wanted_sagas.clear();
    }

    fn end_turn(&mut self) {
        self.orders.end_turn([]);
        self.sagas.end_turn([]);
    }

    fn passivate(&mut self, durable: u64) {
        let OrdersLogic {
            sagas,
            order_of,
            ended,
            ..
        } = self;

        ended.retain(|id| {
            let gone = sagas.retire(*id, durable);
            if gone {
                order_of.remove(id);
            }
            !gone
        });

        let passivated = self.orders.passivate(durable) + self.sagas.passivate(durable);

        if self.order_of.len() > 2 * self.sagas.len() + 64 {
            let sagas = &self.sagas;
            self.order_of.retain(|id, _| sagas.contains(*id));
        }

        if passivated > 0 {
            counter!(names::ACTORS_PASSIVATED, "service" => domain::ORDERS.name())
                .increment(u64::try_from(passivated).unwrap_or(0));
        }
    }

    fn live(&self) -> usize {
        self.orders.len() + self.sagas.len()
    }
}
