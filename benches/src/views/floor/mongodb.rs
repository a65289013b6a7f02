//! The floor of MongoDB: the documents as the view has just written them, put into the collections
//! of another generation by update commands with `upsert`, `w: majority`, without order, two
//! commands under way as the view has them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::Database;
use mongodb::bson::raw::{CString, cstr};
use mongodb::bson::{RawArrayBuf, RawBson, RawDocumentBuf, doc, rawdoc};

use super::{Changed, Floor};
use crate::views::options::CustomerWrites;
use crate::views::place::Place;
use crate::views::throughput::{FLOOR, MEASURED};

const MAX_STATEMENTS: usize = 1_000;
/// A command is a document, and one holds 16 MiB at most.
const MAX_BYTES: usize = 8 * 1024 * 1024;
const COMMANDS: usize = 2;
const IDS_PER_READ: usize = 1_000;

/// Writes documents by the bare driver.
pub struct MongoFloor<'a> {
    place: &'a Place<'a>,
    database: Database,
    customer_writes: CustomerWrites,
}

impl<'a> MongoFloor<'a> {
    /// Opens the collections of another generation.
    pub fn open(place: &'a Place<'a>, customer_writes: CustomerWrites) -> anyhow::Result<Self> {
        Ok(MongoFloor {
            place,
            database: place.mongodb()?,
            customer_writes,
        })
    }

    async fn documents(&self, kind: &str, ids: Vec<String>) -> anyhow::Result<Vec<RawDocumentBuf>> {
        let collection = self
            .database
            .collection::<RawDocumentBuf>(&format!("{kind}_{MEASURED}"));

        let mut documents = Vec::with_capacity(ids.len());

        for ids in ids.chunks(IDS_PER_READ) {
            let found = collection.find(doc! {"_id": {"$in": ids}}).await?;
            documents.extend(found.try_collect::<Vec<_>>().await?);
        }

        ensure!(
            documents.len() == ids.len(),
            "{} of {} {kind} are found",
            documents.len(),
            ids.len()
        );

        Ok(documents)
    }

    /// The statements of a batch: customers, orders.
    async fn statements(&self, changed: &Changed) -> anyhow::Result<[Vec<RawDocumentBuf>; 2]> {
        let mut orders_of: BTreeMap<String, Vec<String>> = changed
            .customers
            .iter()
            .map(|customer| (customer.to_string(), Vec::new()))
            .collect();

        for order in &changed.orders {
            orders_of
                .entry(order.customer_id.to_string())
                .or_default()
                .push(order.order_id.to_string());
        }

        let customers = self
            .documents("customers", orders_of.keys().cloned().collect())
            .await?;

        let ids = changed
            .orders
            .iter()
            .map(|order| order.order_id.to_string())
            .collect();
        let orders = self.documents("orders", ids).await?;

        let customers = customers
            .into_iter()
            .map(|document| match self.customer_writes {
                CustomerWrites::Whole => whole(document),
                CustomerWrites::Changes => changes(&document, &orders_of),
            });

        Ok([
            customers.collect::<Result<_, _>>()?,
            orders.into_iter().map(whole).collect::<Result<_, _>>()?,
        ])
    }

    async fn put(&self, kind: &str, statements: Vec<RawDocumentBuf>) -> anyhow::Result<()> {
        let collection = format!("{kind}_{FLOOR}");
        let commands = pieces_of(&statements)
            .into_iter()
            .map(|piece| self.run(&collection, piece));
        stream::iter(commands)
            .buffer_unordered(COMMANDS)
            .try_collect::<()>()
            .await
    }

    async fn run(&self, collection: &str, statements: &[RawDocumentBuf]) -> anyhow::Result<()> {
        let mut updates = RawArrayBuf::new();

        statements
            .iter()
            .for_each(|statement| updates.push(statement));

        let mut command = RawDocumentBuf::new();
        command.append(cstr!("update"), collection);
        command.append(cstr!("updates"), updates);
        command.append(cstr!("ordered"), false);
        command.append(cstr!("writeConcern"), rawdoc! {"w": "majority"});
        let answer = self.database.run_raw_command(command).await?;
        let refused =
            answer.contains_key("writeErrors") || answer.contains_key("writeConcernError");
        ensure!(!refused, "the server refuses: {answer}");

        Ok(())
    }
}

fn whole(document: RawDocumentBuf) -> anyhow::Result<RawDocumentBuf> {
    let id = document
        .get_str("_id")
        .context("a document's id")?
        .to_owned();
    Ok(rawdoc! {"q": {"_id": id}, "u": document, "upsert": true})
}

/// All fields of a customer, and of its orders those that have changed.
fn changes(
    document: &RawDocumentBuf,
    orders_of: &BTreeMap<String, Vec<String>>,
) -> anyhow::Result<RawDocumentBuf> {
    let id = document
        .get_str("_id")
        .context("a document's id")?
        .to_owned();

    let mut fields = RawDocumentBuf::new();

    for field in document.iter() {
        let (name, value) = field?;
        match value.as_document().filter(|_| name == "orders") {
            Some(orders) => {
                for order in orders_of.get(&id).into_iter().flatten() {
                    if let Some(part) = orders.get(order)? {
                        fields.append(
                            CString::try_from(format!("orders.{order}"))?,
                            RawBson::from(part),
                        );
                    }
                }
            }
            None if name == "_id" => {}
            None => fields.append(name, RawBson::from(value)),
        }
    }

    Ok(rawdoc! {"q": {"_id": id}, "u": {"$set": fields}, "upsert": true})
}

/// Cuts statements into commands' worth.
fn pieces_of(statements: &[RawDocumentBuf]) -> Vec<&[RawDocumentBuf]> {
    let share = statements
        .len()
        .div_ceil(COMMANDS)
        .clamp(100, MAX_STATEMENTS);

    let mut pieces = Vec::new();

    let mut rest = statements;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take(share).take_while(|statement| {
            bytes += statement.as_bytes().len();
            bytes <= MAX_BYTES
        });
        let (piece, others) = rest.split_at(fitting.count().max(1));
        pieces.push(piece);
        rest = others;
    }

    pieces
}

impl Floor for MongoFloor<'_> {
    fn write(&mut self, changed: &Changed) -> anyhow::Result<Duration> {
        self.place.runtime.block_on(async {
            let [customers, orders] = self.statements(changed).await?;
            let begun = Instant::now();
            self.put("customers", customers).await?;
            self.put("orders", orders).await?;
            Ok(begun.elapsed())
        })
    }
}
