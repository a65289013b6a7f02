//! The customers service in a shard: which actors a piece of work needs, and how it is done.

use std::collections::{HashMap, HashSet};

use actix::Actor;
use domain::messages::CustomerCommand;
use domain::{CustomerId, Money, OrderId, SagaId, ShardId, Timestamp};
use metrics::counter;
use store::sagas::StoredTimer;
use store::services::customers;
use store::unit::{OutgoingEvent, OutgoingMessage};
use store::{Message, StoreError};
use uuid::Uuid;

use crate::customer::{Ask, AskCustomer, CustomerActor, Outcome, Told};
use crate::directory::Directory;
use crate::gateway::{CommandError, CustomerAnswer};
use crate::metric_names as names;
use crate::request::{Answer, Command, Request};
use crate::shard::logic::{Logic, Surroundings};
use crate::step::{SagaTimer, Step, StepError, Turn};

/// The reservations that were read for the work at hand, by order: one that is not in it has not
/// been looked for. An error says why its row cannot be read.
type Reservations = HashMap<OrderId, Result<Option<Money>, String>>;

/// The customers of one shard.
pub(crate) struct CustomersLogic {
    around: Surroundings,
    actors: Directory<CustomerId, CustomerActor, Reservations>,
    /// What the next read must bring.
    wanted: HashSet<CustomerId>,
    wanted_reservations: HashSet<(CustomerId, OrderId)>,
    /// Orders that nothing has ever been reserved for.
    unreserved: HashSet<(CustomerId, OrderId)>,
    /// Whose reservations are in memory.
    read_for: HashSet<CustomerId>,
}

impl CustomersLogic {
    pub(crate) fn new(around: Surroundings) -> Self {
        CustomersLogic {
            actors: Directory::new(around.actors_per_shard),
            around,
            wanted: HashSet::new(),
            wanted_reservations: HashSet::new(),
            unreserved: HashSet::new(),
            read_for: HashSet::new(),
        }
    }

    fn want(&mut self, id: CustomerId) {
        if !self.actors.contains(id) {
            self.wanted.insert(id);
        }
    }

    fn start(&mut self, id: CustomerId, stored: Option<customers::StoredCustomer>) {
        let actor = CustomerActor::new(id, stored, self.around.faults.clone());
        self.actors.insert(id, actor.start());
        self.around.activated.increment(1);
    }

    async fn load_customers(&mut self) -> Result<(), StoreError> {
        if self.wanted.is_empty() {
            return Ok(());
        }

        let ids: Vec<_> = self.wanted.drain().collect();
        let mut found = customers::load(&self.around.database, &ids).await?;
        for id in ids {
            match found.remove(&id).transpose() {
                Ok(stored) => self.start(id, stored),
                Err(error) => self.actors.note_unreadable(id, error.chain()),
            }
        }
        Ok(())
    }

    async fn load_reservations(&mut self) -> Result<(), StoreError> {
        for (customer, order) in self.unreserved.drain() {
            if let Some(known) = self.actors.parts_of(customer) {
                known.insert(order, Ok(None));
                self.read_for.insert(customer);
            }
        }

        if self.wanted_reservations.is_empty() {
            return Ok(());
        }

        let wanted: Vec<_> = self.wanted_reservations.drain().collect();
        let orders: Vec<_> = wanted.iter().map(|(_, order)| *order).collect();
        let found = customers::load_reservations(&self.around.database, &orders).await?;
        for (customer, order) in wanted {
            let stored = match found.get(&order) {
                None => Ok(None),
                Some(Ok(amount)) => Ok(Some(*amount)),
                Some(Err(error)) => Err(error.chain()),
            };
            if let Some(known) = self.actors.parts_of(customer) {
                known.insert(order, stored);
                self.read_for.insert(customer);
            }
        }
        Ok(())
    }

    /// The order's reservation as the database has it. That it has none is something that was
    /// read, or is known; what was not looked for is an error.
    fn stored_reservation(
        &mut self,
        customer: CustomerId,
        order: OrderId,
    ) -> Result<Option<Money>, StepError> {
        let Some(live) = self.actors.find(customer)? else {
            return Err(StepError::NotLoaded);
        };

        match live.parts.get(&order) {
            Some(Ok(stored)) => Ok(*stored),
            Some(Err(cause)) => Err(StepError::Unreadable(cause.clone())),
            None => Err(StepError::NotLoaded),
        }
    }

    async fn ask(&mut self, id: CustomerId, ask: Ask, turn: Turn) -> Result<Told, StepError> {
        let address = self.actors.address(id)?;
        Ok(address
            .send(AskCustomer { ask, now: turn.now })
            .await
            .map_err(|_| StepError::NoActor)??)
    }
}

impl Logic for CustomersLogic {
    fn want_for_request(&mut self, request: &Request) {
        if let Command::CreateCustomer { id, .. } = &request.command {
            if request.binding.is_some() {
                self.want(*id);
            } else if !self.actors.contains(*id) {
                // A new id: there is nothing to load.
                self.start(*id, None);
            }
        }
    }

    fn want_for_message(&mut self, message: &Message, first_attempt: bool) {
        let id = CustomerId(message.entity);
        self.want(id);

        let decoded =
            CustomerCommand::decode(&message.name, message.type_version, message.body.get());
        match decoded {
            Ok(CustomerCommand::ReserveCredit(request)) if first_attempt => {
                self.unreserved.insert((id, request.order_id));
            }
            Ok(command) => {
                let order = command.request().order_id;
                self.wanted_reservations.insert((id, order));
            }
            // It says so when its turn comes.
            Err(_) => {}
        }
    }

    async fn load(&mut self) -> Result<(), StoreError> {
        self.load_customers().await?;
        self.load_reservations().await
    }

    async fn message(&mut self, message: &Message, turn: Turn) -> Result<Step, StepError> {
        let id = CustomerId(message.entity);
        let command =
            CustomerCommand::decode(&message.name, message.type_version, message.body.get())?;
        let request = command.request().clone();
        let stored = self.stored_reservation(id, request.order_id)?;

        let ask = Ask::Credit {
            command,
            stored,
            durable_at_read: turn.durable_at_read,
            ticket: turn.ticket,
        };

        let told = self.ask(id, ask, turn).await?;
        let Outcome::Replied(reply) = &told.outcome else {
            return Err(StepError::Impossible(format!(
                "customer {id} did not reply"
            )));
        };

        let body = reply
            .encode()
            .map_err(|e| StepError::Impossible(e.to_string()))?;

        let (name, type_version) = reply.wire_name();

        let answer = OutgoingMessage {
            destination: message.source,
            entity: request.saga_id.0,
            name,
            type_version,
            attempt: message.attempt.clone(),
            body: body.into(),
        };

        let mut step = Step {
            messages: vec![answer],
            correlation_id: message.correlation_id,
            time: turn.now,
            entity: id.0,
            touched: vec![id.0],
            ..Step::default()
        };
        add_change(&mut step, told)?;

        Ok(step)
    }

    async fn request(&mut self, request: &mut Request, turn: Turn) -> Result<Step, StepError> {
        let Command::CreateCustomer { id, request: new } = &request.command else {
            return Err(StepError::Impossible(
                "this shard takes no such request".to_owned(),
            ));
        };

        let id = *id;
        let created_by = request.binding.map(|binding| binding.fingerprint);

        let told = self
            .ask(
                id,
                Ask::Create {
                    request: new.clone(),
                    created_by,
                },
                turn,
            )
            .await?;

        let version = match told.outcome {
            Outcome::Created { version } => version,
            Outcome::KeyReused => return Ok(Step::refusing(CommandError::KeyReused, id.0)),
            Outcome::Replied(_) => {
                return Err(StepError::Impossible(format!("customer {id} replied")));
            }
        };

        let answer = Answer::Customer(CustomerAnswer {
            customer_id: id,
            version,
        });
        let mut step = Step::answering(answer, id.0);
        step.correlation_id = id.0;
        step.entity = id.0;
        add_change(&mut step, told)?;

        Ok(step)
    }

    async fn timer(
        &mut self,
        saga: SagaId,
        _set_for: Timestamp,
        _turn: Turn,
    ) -> Result<Step, StepError> {
        Err(StepError::Impossible(format!("there is no saga {saga}")))
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
            self.actors.took_part(CustomerId(*id), ticket);
        }
    }

    fn drop_actors_of(&mut self, message: &Message) {
        self.actors.remove(CustomerId(message.entity));
    }

    fn drop_actors_of_request(&mut self, request: &Request) {
        if let Command::CreateCustomer { id, .. } = &request.command {
            self.actors.remove(*id);
        }
    }

    fn drop_actors_of_saga(&mut self, _saga: SagaId) {}

    fn forget(&mut self) {
        self.actors.clear();
        self.wanted.clear();
        self.wanted_reservations.clear();
        self.unreserved.clear();
        self.read_for.clear();
    }

    fn end_turn(&mut self) {
        self.actors.end_turn(self.read_for.drain());
    }

    fn passivate(&mut self, durable: u64) {
        let passivated = self.actors.passivate(durable);
        if passivated > 0 {
            counter!(names::ACTORS_PASSIVATED, "service" => domain::CUSTOMERS.name())
                .increment(u64::try_from(passivated).unwrap_or(0));
        }
    }

    fn live(&self) -> usize {
        self.actors.len()
    }
}

fn add_change(step: &mut Step, told: Told) -> Result<(), StepError> {
    if let Some(change) = told.change {
        let body = change
            .event
            .encode()
            .map_err(|e| StepError::Impossible(e.to_string()))?;
        step.events
            .push(OutgoingEvent::new(change.event.wire_name(), body));
        step.first_version = change.version;
        step.time = change.at;
        step.rows.extend(change.rows);
    }
    Ok(())
}

/// The shard of a customer.
pub(crate) fn shard_of(id: Uuid, shards: u16) -> ShardId {
    ShardId::of(domain::CUSTOMERS, id, shards)
}
