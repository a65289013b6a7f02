//! The customers service in a shard: which actors a piece of work needs, and how it is done.

use std::collections::HashSet;

use actix::Actor;
use domain::messages::CustomerCommand;
use domain::{CustomerId, OrderId, ShardId};
use metrics::counter;
use store::unit::{OutgoingEvent, OutgoingMessage};
use store::{Message, StoreError, customers};
use uuid::Uuid;

use crate::customer::{Ask, AskCustomer, CustomerActor, Outcome, Told};
use crate::directory::Directory;
use crate::gateway::{CommandError, CustomerAnswer};
use crate::metric_names as names;
use crate::request::{Answer, Command, Request};
use crate::shard::logic::{Logic, Surroundings};
use crate::step::{Step, StepError, Turn};

/// The customers of one shard.
pub(crate) struct CustomersLogic {
    around: Surroundings,
    actors: Directory<CustomerId, CustomerActor>,
    /// Reservations read for the work at hand.
    reservations: std::collections::HashMap<OrderId, domain::Money>,
    /// What the next read must bring.
    wanted: HashSet<CustomerId>,
    wanted_reservations: HashSet<OrderId>,
}

impl CustomersLogic {
    pub(crate) fn new(around: Surroundings) -> Self {
        CustomersLogic {
            actors: Directory::new(around.actors_per_shard),
            around,
            reservations: std::collections::HashMap::new(),
            wanted: HashSet::new(),
            wanted_reservations: HashSet::new(),
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

    async fn ask(&mut self, id: CustomerId, ask: Ask, turn: Turn) -> Result<Told, StepError> {
        let address = self.actors.get(id).ok_or(StepError::NoActor)?;
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
        self.want(CustomerId(message.entity));
        let decoded =
            CustomerCommand::decode(&message.name, message.type_version, message.body.get());
        match decoded {
            // The first credit ever reserved for an order meets no reservation.
            Ok(CustomerCommand::ReserveCredit(_)) if first_attempt => {}
            Ok(command) => {
                self.wanted_reservations.insert(command.request().order_id);
            }
            Err(_) => {}
        }
    }

    async fn load(&mut self) -> Result<(), StoreError> {
        self.reservations.clear();

        if !self.wanted.is_empty() {
            let ids: Vec<_> = self.wanted.drain().collect();
            let mut found = customers::load(&self.around.database, &ids).await?;
            for id in ids {
                self.start(id, found.remove(&id));
            }
        }

        if !self.wanted_reservations.is_empty() {
            let orders: Vec<_> = self.wanted_reservations.drain().collect();
            self.reservations =
                customers::load_reservations(&self.around.database, &orders).await?;
        }

        Ok(())
    }

    async fn message(&mut self, message: &Message, turn: Turn) -> Result<Step, StepError> {
        let id = CustomerId(message.entity);
        let command =
            CustomerCommand::decode(&message.name, message.type_version, message.body.get())?;
        let request = command.request().clone();
        let stored = self.reservations.get(&request.order_id).copied();

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

    async fn timer(&mut self, _saga: domain::SagaId, _turn: Turn) -> Result<Step, StepError> {
        Ok(Step::default())
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

    fn drop_actors_of_saga(&mut self, _saga: domain::SagaId) {}

    fn forget(&mut self) {
        self.actors.clear();
        self.wanted.clear();
        self.wanted_reservations.clear();
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
