//! Customers with long histories, in a database that a journal has written.

use std::sync::Arc;

use domain::customer::CustomerCreated;
use domain::{Customer, CustomerEvent, CustomerId, Money, OrderId, ShardId, Timestamp};
use store::faults::Faults;
use store::journal::Claim;
use store::log::embedded::EmbeddedLog;
use store::replay::{self, Compared, Fold};
use store::row_changes::{Journaled, RowChange};
use store::services::customers::{self, StoredCustomer};
use store::unit::{Fate, Outgoing, OutgoingEvent, Unit};
use store::{Journal, Message, ServiceDatabase, StoreError, history};
use tempfile::TempDir;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::folder::folder;

/// After how many events snapshots are written.
pub const SNAPSHOT_EVERY: [u64; 2] = [10, 100];

const SHARD: ShardId = ShardId::new(domain::CUSTOMERS, 0);
const FORM: u16 = 1;

/// The customers' database, with one shard.
pub struct Histories {
    database: ServiceDatabase,
    journal: Journal,
    claim: Claim,
    ticket: u64,
    // Removed when everything else is gone.
    _folder: TempDir,
}

impl Histories {
    /// Opens a new one in a temporary folder, and takes its shard over.
    pub async fn open() -> Self {
        let folder = folder();
        let database = ServiceDatabase::open_embedded(customers::SCHEMA, folder.path(), 1)
            .await
            .expect("the database can be made");
        let faults = Faults::default();
        let log = Arc::new(EmbeddedLog::new(vec![database.clone()], 1, faults.clone()));
        let journal = Journal::start(&database, log, faults, 1)
            .await
            .expect("the journal can be started");
        let claim = journal.claim(SHARD, "bench", None).await;

        Histories {
            claim: claim.expect("the shard can be taken over"),
            database,
            journal,
            ticket: 0,
            _folder: folder,
        }
    }

    /// A customer to whom so much has happened: one order after the other reserves and releases.
    pub async fn customer(&mut self, events: u64) -> Uuid {
        let id = CustomerId(Uuid::now_v7());
        let mut customer: Option<Customer> = None;
        let order = OrderId(Uuid::now_v7());
        let mut held = None;
        let mut last = None;

        for number in 1..=events {
            let event = match &customer {
                None => CustomerEvent::Created(CustomerCreated {
                    name: "Ada Park".to_owned(),
                    credit_limit: Money::from_cents(1_000_000),
                }),
                Some(customer) => change(customer, order, &mut held),
            };
            let at = Timestamp::from_micros(i64::try_from(number).unwrap_or(0));
            customer = Customer::folded(customer, id, &event, at);
            let stored = customer.clone().expect("its first event creates it");
            let row = row(stored, number);
            last = Some(self.submit(id.0, number, vec![row], Some(&event)));
        }

        if let Some(fate) = last {
            let fate = fate.await.expect("the journal runs");
            assert!(matches!(fate, Fate::Durable), "{fate:?}");
        }
        id.0
    }

    /// Writes the snapshot of a customer at one of its versions.
    pub async fn take_snapshot(&mut self, id: Uuid, version: u64) {
        let as_of = history::AsOf::Version(version);
        let customer = customers::as_of(&self.database, SHARD, CustomerId(id), as_of)
            .await
            .expect("the database answers")
            .expect("it has reached the version");
        let row = replay::snapshot_row(id, version, FORM, &customer);
        let rows = vec![row.expect("a customer has a JSON form")];

        let fate = self.submit(id, version, rows, None).await;
        assert!(matches!(fate, Ok(Fate::Durable)), "{fate:?}");
    }

    fn submit(
        &mut self,
        entity: Uuid,
        version: u64,
        rows: Vec<RowChange>,
        event: Option<&CustomerEvent>,
    ) -> oneshot::Receiver<Fate> {
        let outgoing = event.map(|event| Outgoing {
            first_sequence: self.claim.next_sequence,
            entity,
            first_version: version,
            correlation_id: entity,
            time: Timestamp::from_micros(i64::try_from(version).unwrap_or(0)),
            events: vec![OutgoingEvent::new(
                event.wire_name(),
                event.encode().expect("an event has a JSON form"),
            )],
            messages: Vec::new(),
        });
        self.claim.next_sequence += outgoing.as_ref().map_or(0, Outgoing::count);
        self.ticket += 1;

        let (sender, fate) = oneshot::channel();
        self.journal.submit(Unit {
            shard: SHARD,
            epoch: self.claim.epoch,
            ticket: self.ticket,
            rows,
            outgoing,
            position: None,
            timer: None,
            completion: Box::new(move |fate| drop(sender.send(fate))),
        });
        fate
    }

    /// Reads customers as they stand in their rows.
    pub async fn by_row(&self, ids: &[Uuid]) {
        let found = customers::load(&self.database, ids).await;
        assert_eq!(found.expect("the database answers").len(), ids.len());
    }

    /// Reads what their rows remember, and folds their histories.
    pub async fn by_replay(&self, ids: &[Uuid], with_snapshots: bool) {
        let memories = customers::memories(&self.database, ids).await;
        let mut memories = memories.expect("the database answers");
        let fold = Fold {
            next: &next,
            form: with_snapshots.then_some(FORM),
        };
        let replayed = replay::states(&self.database, SHARD, ids, fold).await;
        let mut replayed = replayed.expect("the database answers");

        for id in ids {
            let compared = replay::compare(*id, memories.remove(id), replayed.remove(id));
            let Compared::Same(_, snapshot) = compared else {
                panic!("row and history of {id} agree: {compared:?}");
            };
            assert_eq!(snapshot > 0, with_snapshots);
        }
    }

    /// Ends the journal, then the database.
    pub async fn close(self) {
        self.journal.close().await;
        self.database.close().await;
    }
}

/// The order reserves, or releases what it holds.
fn change(customer: &Customer, order: OrderId, held: &mut Option<Money>) -> CustomerEvent {
    let amount = Money::from_cents(1_234);
    let event = match held.take() {
        Some(amount) => customer.release(order, Some(amount)),
        None => {
            *held = Some(amount);
            customer.reserve(order, amount, None).ok().flatten()
        }
    };
    event.expect("the credit does not end")
}

fn row(customer: Customer, version: u64) -> RowChange {
    let row = customers::to_row(&StoredCustomer {
        entity: customer,
        created_by: None,
        remembered: Vec::new(),
    });
    match version {
        1 => row.insert(),
        _ => row.update(version - 1),
    }
}

fn next(before: Option<Customer>, id: Uuid, message: &Message) -> Result<Customer, StoreError> {
    let event = history::decode(message)?;
    let after = Customer::folded(before, CustomerId(id), &event, message.time);
    after.ok_or_else(|| history::out_of_place(message))
}
