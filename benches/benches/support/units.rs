//! Units as the first step of a create-order saga writes them: the order's row, the saga's row, and
//! one outbox row with `OrderCreated` and `ReserveCredit`.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::saga::{self, CREATE_ORDER, Effect, Saga, SagaPolicy};
use domain::{CustomerId, Order, OrderEvent, OrderId, ShardId, Timestamp};
use store::journal::Claim;
use store::log::embedded::EmbeddedLog;
use store::row_changes::Journaled;
use store::sagas::StoredSaga;
use store::services::orders::{self, StoredOrder};
use store::timers::{TimerChange, TimerSet};
use store::unit::{Completion, Outgoing, OutgoingEvent, OutgoingMessage, Unit};
use store::{Clock, Journal, ServiceDatabase};
use tempfile::TempDir;
use uuid::Uuid;

use super::basket::basket;
use super::folder::folder;

/// Shards of a service, as by default.
pub const SHARDS: u16 = 16;

/// The orders service as the store has it: its database and journal, and all its shards taken over.
pub struct OrdersStore {
    /// Writes the units.
    pub journal: Journal,
    database: ServiceDatabase,
    claims: BTreeMap<ShardId, Claim>,
    customer: CustomerId,
    ticket: u64,
    clock: Clock,
    // Removed when everything else is gone.
    _folder: TempDir,
}

/// What a unit is made of.
pub struct FirstStep {
    /// The shard of the order.
    pub shard: ShardId,
    /// The order's row.
    pub order: orders::tables::order::Model,
    /// The row of its saga.
    pub saga: store::tables::saga::Model,
    /// The outbox row.
    pub outgoing: Outgoing,
}

impl OrdersStore {
    /// Opens a new one, and its log.
    pub async fn open() -> (Self, Arc<EmbeddedLog>) {
        let folder = folder();
        let database = ServiceDatabase::open_embedded(orders::SCHEMA, folder.path(), SHARDS)
            .await
            .expect("the database can be made");

        let log = Arc::new(EmbeddedLog::new(
            vec![database.clone()],
            SHARDS,
            store::faults::Faults::default(),
        ));

        let journal = Journal::start(
            &database,
            log.clone(),
            store::faults::Faults::default(),
            SHARDS,
        )
        .await
        .expect("the journal can be started");

        let mut claims = BTreeMap::new();

        for number in 0..SHARDS {
            let shard = ShardId::new(domain::ORDERS, number);
            claims.insert(
                shard,
                journal
                    .claim(shard, "bench", None)
                    .await
                    .expect("the shard can be taken over"),
            );
        }

        let customer = CustomerId(Uuid::now_v7());
        let clock = Clock::system();

        (
            OrdersStore {
                journal,
                database,
                claims,
                customer,
                ticket: 0,
                clock,
                _folder: folder,
            },
            log,
        )
    }

    /// Where the commands of all units go.
    pub fn customer_shard(&self) -> ShardId {
        ShardId::of(domain::CUSTOMERS, self.customer.0, SHARDS)
    }

    /// The first step of a new order.
    pub fn first_step(&mut self) -> FirstStep {
        let now = self.clock.now();
        let created = basket(self.customer);
        let order = Order::created(OrderId(Uuid::now_v7()), &created, now);
        let (saga, effects) = saga::begin(&CREATE_ORDER, &order, &SagaPolicy::default(), now);

        let shard = ShardId::of(domain::ORDERS, order.id.0, SHARDS);
        let outgoing = self.outgoing(
            shard,
            &saga,
            &OrderEvent::Created(created.clone()),
            effects,
            now,
        );

        let stored = StoredOrder {
            entity: order,
            created_by: None,
            remembered: Vec::new(),
        };
        let order = orders::to_row(&stored, Some(&created)).expect("its lines have a JSON form");

        let saga = store::sagas::to_row(
            &StoredSaga {
                saga,
                remembered: Vec::new(),
            },
            shard,
        )
        .expect("its steps have a JSON form");

        FirstStep {
            shard,
            order,
            saga,
            outgoing,
        }
    }

    fn outgoing(
        &mut self,
        shard: ShardId,
        saga: &Saga,
        event: &OrderEvent,
        effects: Vec<Effect>,
        time: Timestamp,
    ) -> Outgoing {
        let destination = self.customer_shard();

        let message = |effect| match effect {
            Effect::Send {
                to,
                command,
                attempt,
            } => {
                let (name, type_version) = command.wire_name();
                let body = Arc::from(command.encode().expect("a command has a JSON form"));
                Some(OutgoingMessage {
                    destination,
                    entity: command.entity(to),
                    name,
                    type_version,
                    attempt: Some(attempt),
                    body,
                })
            }
            Effect::Local { .. } | Effect::Answer { .. } => None,
        };

        let body = event.encode().expect("an event has a JSON form");

        let claim = self
            .claims
            .get_mut(&shard)
            .expect("all shards were taken over");

        let outgoing = Outgoing {
            first_sequence: claim.next_sequence,
            entity: saga.entity,
            first_version: 1,
            correlation_id: saga.id.0,
            time,
            events: vec![OutgoingEvent::new(event.wire_name(), body)],
            messages: effects.into_iter().filter_map(message).collect(),
        };
        claim.next_sequence += outgoing.count();

        outgoing
    }

    /// The unit of a new order's first step.
    pub fn unit(&mut self, completion: Completion) -> Unit {
        let FirstStep {
            shard,
            order,
            saga,
            outgoing,
        } = self.first_step();

        self.ticket += 1;
        let epoch = self.claims.get(&shard).map_or(0, |claim| claim.epoch);
        let timer = saga.wake_at.map(|wake_at| TimerChange {
            id: saga.saga_id,
            set: Some(TimerSet {
                wake_at: Timestamp::from_micros(wake_at),
                patience: SagaPolicy::default().deadline,
                waits_for: self.customer.0,
            }),
        });
        let rows = vec![order.insert(), saga.insert()];

        Unit {
            shard,
            epoch,
            ticket: self.ticket,
            rows,
            outgoing: Some(outgoing),
            position: None,
            timer,
            completion,
        }
    }

    /// A unit that writes nothing.
    pub fn empty_unit(&mut self, completion: Completion) -> Unit {
        self.ticket += 1;
        let shard = ShardId::new(domain::ORDERS, 0);
        let epoch = self.claims.get(&shard).map_or(0, |claim| claim.epoch);
        Unit {
            shard,
            epoch,
            ticket: self.ticket,
            rows: Vec::new(),
            outgoing: None,
            position: None,
            timer: None,
            completion,
        }
    }

    /// Ends the journal, then the database.
    pub async fn close(self) {
        self.journal.close().await;
        self.database.close().await;
    }
}
