//! The document view of the comparison: filled through its real writer, asked through its real
//! reader.

use std::sync::Arc;

use anyhow::{Context, bail};
use domain::{OrderState, ShardId};
use futures_util::TryStreamExt as _;
use mongodb::Database;
use mongodb::bson::{Document, doc};
use projections::documents::CustomersQuery;
use projections::{Document as ViewDocument, DocumentReader, OrderDocument};

use super::data::Data;
use super::{ComposedAnswer, Question};
use crate::views::options::Backend;
use crate::views::place::{Place, Store};

const PER_COMMIT: usize = 4_096;

/// A view that shows all of the data.
pub struct FilledView {
    reader: Arc<dyn DocumentReader>,
    /// Of MongoDB, to see what the server does.
    database: Option<Database>,
}

/// What the server of a view has done for one query, whose commands wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookedAt {
    /// Commands.
    pub commands: u64,
    /// Documents examined.
    pub documents: u64,
    /// Index keys examined.
    pub index_keys: u64,
}

impl FilledView {
    /// Opens an empty view and writes all of the data into it.
    pub fn fill(place: &Place<'_>, backend: Backend, data: &Data) -> anyhow::Result<Self> {
        let Store::Documents(store) = place.store(backend)? else {
            bail!("{backend:?} is no document view")
        };

        let opened = place.runtime.block_on(store.open(1, uuid::Uuid::nil()))?;
        let mut writer = opened.writer;
        let mut positions = writer.positions()?;

        let customers = data
            .customers
            .iter()
            .map(|customer| ViewDocument::Customer(customer.clone().into()));

        let orders = data.orders.iter().map(|(order, created)| {
            ViewDocument::Order(OrderDocument::of(order.clone(), created.clone()))
        });

        let all: Vec<ViewDocument> = customers.chain(orders).collect();
        for (commit, part) in (1..).zip(all.chunks(PER_COMMIT)) {
            for document in part {
                writer.put(document)?;
            }
            positions.insert(ShardId::new(domain::ORDERS, 0), commit);
            writer.commit(&positions)?;
        }

        writer.finish()?;

        let database = match backend {
            Backend::Mongodb => Some(place.mongodb()?),
            _ => None,
        };

        Ok(FilledView {
            reader: opened.reader,
            database,
        })
    }

    /// Asks once. An embedded view takes one trip; how many commands a server was asked, it tells
    /// itself ([`looked_at`](FilledView::looked_at)).
    pub async fn ask(&self, question: Question) -> anyhow::Result<ComposedAnswer> {
        let query = CustomersQuery {
            since: Some(question.since),
            min_order_total: Some(question.min_total),
            order_state: Some(OrderState::Approved),
            limit: question.limit,
            ..CustomersQuery::default()
        };
        let customers = self.reader.customers(query).await?.value.items;
        let rows = u64::try_from(customers.len())?;

        Ok(ComposedAnswer {
            customers,
            trips: 1,
            rows,
        })
    }

    /// What the server does for one query, by its profiler; `None` for an embedded view.
    pub async fn looked_at(&self, question: Question) -> anyhow::Result<Option<LookedAt>> {
        let Some(database) = &self.database else {
            return Ok(None);
        };
        database.run_command(doc! {"profile": 2}).await?;
        let asked = self.ask(question).await;
        database.run_command(doc! {"profile": 0}).await?;
        asked?;
        let profiled = database.collection::<Document>("system.profile");
        let read = doc! {
            "op": {"$in": ["query", "command", "getmore"]},
            "command.profile": {"$exists": false},
        };
        let commands: Vec<Document> = profiled.find(read).await?.try_collect().await?;
        profiled.drop().await?;

        let sum = |field: &str| {
            let counts = commands.iter().filter_map(|command| count(command, field));
            counts.sum()
        };

        let count = u64::try_from(commands.len()).context("commands")?;
        Ok(Some(LookedAt {
            commands: count,
            documents: sum("docsExamined"),
            index_keys: sum("keysExamined"),
        }))
    }
}

fn count(command: &Document, field: &str) -> Option<u64> {
    let value = command.get(field)?;
    let value = value.as_i64().or_else(|| value.as_i32().map(i64::from))?;
    u64::try_from(value).ok()
}
