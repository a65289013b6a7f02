//! The write side: folds the events of a batch in memory ([`fold`](crate::documents::fold)) and
//! writes the last state of each entity, in few commands. In which order, and why, is said at [the
//! head](super).

use std::collections::HashMap;

use domain::Service;
use futures_util::TryStreamExt as _;
use futures_util::future::try_join;
use mongodb::Database;
use mongodb::bson::{RawDocumentBuf, deserialize_from_slice, doc};
use serde::de::DeserializeOwned;
use store::{Message, Positions};
use uuid::Uuid;

use super::bulk::{Kind, Until, Writes};
use super::connection::Connection;
use super::errors::{DUPLICATE_KEY, Refused, failed};
use super::quarantine::{self, Changes};
use super::room::Room;
use super::shapes::{StoredCustomer, StoredOrder, id_of};
use super::updates::{self, OrderWrites};
use super::{Names, WRITE_BOUND, positions};
use crate::ViewError;
use crate::documents::fold::{CustomerState, Fold, OrderState};
use crate::documents::{damaged, refused};
use crate::port::{Applied, QuarantinedEntity, ViewWriter};
use crate::shop::{Document, Event};

/// How many entities one read asks for.
const READ_AT_ONCE: usize = 2_000;

/// Writes one generation of the document view.
pub(super) struct MongoDocumentWriter {
    connection: Connection,
    names: Names,
    deployment: Uuid,
    orders: Fold<OrderState>,
    customers: Fold<CustomerState>,
    quarantine: Changes,
    /// In the documents of customers.
    room: Room,
    /// Of the newest commit. Stored with the next one, or before.
    committed: Positions,
}

impl MongoDocumentWriter {
    pub(super) fn new(connection: Connection, names: Names, deployment: Uuid) -> Self {
        let (orders, customers, room) = (Fold::default(), Fold::default(), Room::default());
        let (quarantine, committed) = (HashMap::new(), Positions::new());
        MongoDocumentWriter {
            connection,
            names,
            deployment,
            orders,
            customers,
            quarantine,
            room,
            committed,
        }
    }

    async fn write(&mut self, positions: &Positions) -> Result<(), ViewError> {
        let mut commit = self.begin()?;
        commit.write_customers(positions).await?;
        commit.write_orders().await?;
        quarantine::save(
            &self.connection.database,
            self.names.generation,
            &self.quarantine,
        )
        .await
    }

    /// Where the positions are.
    fn place(&self) -> positions::Place {
        positions::Place {
            generation: self.names.generation,
            deployment: self.deployment,
        }
    }

    /// What is written by a commit, up to the positions.
    pub(super) fn begin(&mut self) -> Result<DocumentWrites<'_>, ViewError> {
        let customers = updates::customers(&self.customers, &self.orders, &mut self.room)?;
        let orders = updates::orders(&self.orders)?;
        let (names, writes) = (&self.names, Writes::new(&self.connection.database));
        Ok(DocumentWrites {
            names,
            place: self.place(),
            writes,
            committed: &self.committed,
            customers,
            orders,
        })
    }
}

/// The documents of a commit.
pub(super) struct DocumentWrites<'a> {
    names: &'a Names,
    place: positions::Place,
    writes: Writes<'a>,
    /// The positions of the commit before.
    committed: &'a Positions,
    customers: Vec<RawDocumentBuf>,
    orders: OrderWrites,
}

impl DocumentWrites<'_> {
    /// Says what is being reached, then writes the customers' documents, with the orders in them.
    pub(super) async fn write_customers(&mut self, positions: &Positions) -> Result<(), ViewError> {
        // Each order is in its customer's document as well, so without customers there is nothing
        // to say.
        if self.customers.is_empty() {
            return Ok(());
        }

        positions::begin(&mut self.writes, self.place, positions, self.committed).await?;

        let until = if self.orders.is_empty() {
            Until::Durable
        } else {
            Until::Written
        };

        none_refused(
            self.writes
                .write(&self.names.customers, Kind::Update, &self.customers, until)
                .await?,
        )
    }

    /// Writes orders: those that are new are inserted; those that turn out not to be replace what
    /// is older. All that the commit has written is durable then.
    pub(super) async fn write_orders(&mut self) -> Result<(), ViewError> {
        let (orders, OrderWrites { inserts, updates }) = (self.names.orders.as_str(), &self.orders);
        let (not_new, refused) = self.writes.write_both(orders, inserts, updates).await?;
        none_refused(refused)?;
        let mut again = Vec::new();

        for refused in not_new {
            match inserts.get(refused.index) {
                Some(document) if refused.code == DUPLICATE_KEY => {
                    again.push(updates::replace_older(document)?)
                }
                _ => return Err(refused.into()),
            }
        }

        none_refused(
            self.writes
                .write(orders, Kind::Update, &again, Until::Durable)
                .await?,
        )
    }
}

fn none_refused(refused: Vec<Refused>) -> Result<(), ViewError> {
    refused
        .into_iter()
        .next()
        .map_or(Ok(()), |refused| Err(refused.into()))
}

impl ViewWriter<Document> for MongoDocumentWriter {
    fn positions(&mut self) -> Result<Positions, ViewError> {
        self.orders.forget();
        self.customers.forget();
        self.room.forget();
        self.quarantine.clear();
        let (connection, generation) = (&self.connection, self.names.generation);
        self.committed = connection.wait_for(
            WRITE_BOUND,
            positions::committed(&connection.database, generation),
        )?;
        Ok(self.committed.clone())
    }

    fn prepare(&mut self, entities: &[(Service, Uuid, u64)]) -> Result<(), ViewError> {
        let missing = |service, holds: &dyn Fn(Uuid) -> bool| -> Vec<Uuid> {
            // An entity that begins is not looked for: should it be there, the write finds it
            // newer.
            let going_on = entities
                .iter()
                .filter(|(of, id, version)| *of == service && *version > 1 && !holds(*id));
            let mut ids: Vec<_> = going_on.map(|(_, id, _)| *id).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let orders = missing(domain::ORDERS, &|id| self.orders.holds(id));
        let customers = missing(domain::CUSTOMERS, &|id| self.customers.holds(id));

        let database = &self.connection.database;
        let reading = try_join(
            read(database, &self.names.orders, &orders),
            read(database, &self.names.customers, &customers),
        );

        let (orders, customers) = self.connection.wait_for(WRITE_BOUND, reading)?;
        for (id, state) in states(orders, |order: StoredOrder| {
            Ok((id_of(&order.id)?, order.into_state()?))
        }) {
            self.orders.loaded(id, state);
        }

        for (id, state) in states(customers, |found: StoredCustomer| {
            Ok((id_of(&found.id)?, found.into_state()?))
        }) {
            self.customers.loaded(id, state);
        }

        Ok(())
    }

    fn apply(&mut self, event: &Message) -> Result<Applied, ViewError> {
        let event = Event::decode(event).map_err(refused)?;
        let (connection, names) = (&self.connection, &self.names);
        match event.source.service {
            domain::ORDERS => self.orders.apply(&event, |id| {
                let found: Option<StoredOrder> = read_one(connection, &names.orders, id)?;
                found.map(StoredOrder::into_state).transpose()
            }),
            _ => self.customers.apply(&event, |id| {
                let found: Option<StoredCustomer> = read_one(connection, &names.customers, id)?;
                found.map(StoredCustomer::into_state).transpose()
            }),
        }
    }

    fn put(&mut self, document: &Document) -> Result<(), ViewError> {
        match document {
            Document::Customer(customer) => self.customers.put(
                customer.customer_id.0,
                customer.try_into().map_err(refused)?,
            ),
            Document::Order(order) => self.orders.put(order.order_id.0, order.into()),
        }
        Ok(())
    }

    fn commit(&mut self, positions: &Positions) -> Result<(), ViewError> {
        let connection = self.connection.clone();
        connection.wait_for(WRITE_BOUND, self.write(positions))?;
        self.orders.saved();
        self.customers.saved();
        self.quarantine.clear();
        self.committed.clone_from(positions);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ViewError> {
        let connection = &self.connection;
        connection.wait_for(
            WRITE_BOUND,
            positions::finish(&connection.database, self.place(), &self.committed),
        )
    }

    fn quarantined(&mut self, limit: usize) -> Result<Vec<QuarantinedEntity>, ViewError> {
        let (connection, generation) = (&self.connection, self.names.generation);
        connection.wait_for(
            WRITE_BOUND,
            quarantine::list(&connection.database, generation, Some(limit)),
        )
    }

    fn quarantine(&mut self, entity: &QuarantinedEntity) -> Result<(), ViewError> {
        self.quarantine
            .insert((entity.source.service, entity.entity), Some(entity.clone()));
        Ok(())
    }

    fn release(&mut self, service: Service, entity: Uuid) -> Result<(), ViewError> {
        self.quarantine.insert((service, entity), None);
        Ok(())
    }
}

/// Reads those entities of `ids` that are there. Of customers, those that are more than a place for
/// orders.
async fn read(
    database: &Database,
    collection: &str,
    ids: &[Uuid],
) -> Result<Vec<RawDocumentBuf>, ViewError> {
    let collection = database.collection::<RawDocumentBuf>(collection);
    let mut found = Vec::new();

    for ids in ids.chunks(READ_AT_ONCE) {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let filter = doc! {"_id": {"$in": ids}, "version": {"$exists": true}};
        let cursor = collection
            .find(filter)
            .projection(doc! {"orders": 0})
            .await
            .map_err(failed)?;
        found.extend(cursor.try_collect::<Vec<_>>().await.map_err(failed)?);
    }

    Ok(found)
}

fn read_one<T: DeserializeOwned>(
    connection: &Connection,
    collection: &str,
    id: Uuid,
) -> Result<Option<T>, ViewError> {
    let found = connection.wait_for(WRITE_BOUND, read(&connection.database, collection, &[id]))?;
    found
        .first()
        .map(|stored| deserialize_from_slice(stored.as_bytes()).map_err(damaged))
        .transpose()
}

/// The states of what can be read. The event of an entity that cannot tells of the damage later.
fn states<T: DeserializeOwned, S>(
    stored: Vec<RawDocumentBuf>,
    state: impl Fn(T) -> Result<(Uuid, S), ViewError>,
) -> impl Iterator<Item = (Uuid, S)> {
    stored
        .into_iter()
        .filter_map(move |stored| state(deserialize_from_slice(stored.as_bytes()).ok()?).ok())
}
