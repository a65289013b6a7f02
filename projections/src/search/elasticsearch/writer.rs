//! The write side: folds events into documents, in memory, and writes the documents with each
//! commit.
//!
//! An order's newest document is in one of three places: among the ones to be written, among the
//! ones that are known to be stored, or only in the index. [`prepare`](ViewWriter::prepare) fetches
//! many of the last kind at once.
//!
//! The projector's thread waits here for the server, and analyses the texts.

use domain::{OrderEvent, OrderId, Service};
use store::{Message, Positions};
use tokio::runtime::Handle;
use tracing::debug;
use uuid::Uuid;

use super::client::Client;
use super::document::Stamp;
use super::index::Names;
use super::mget;
use super::state::{GenerationState, furthest};
use crate::search::{fold, refused, unavailable};
use crate::shop::{Event, OrderDocument, Payload};
use crate::{Applied, QuarantinedEntity, ViewError, ViewWriter};

mod memory;
mod place;
mod session;

use memory::{Known, Memory};
use place::Place;
use session::Session;

pub(super) struct ElasticsearchWriter {
    client: Client,
    names: Names,
    generation: u32,
    deployment: Uuid,
    runtime: Handle,
    /// `None` before the first use, and after a failed commit.
    session: Option<Session>,
    /// With a failed commit all that was applied is gone; asking for the positions begins anew.
    failed: bool,
    memory: Memory,
    /// Up to where events were applied since; what they did may be visible before the positions say
    /// so.
    applied: Positions,
}

impl ElasticsearchWriter {
    pub(super) fn new(
        client: Client,
        names: Names,
        generation: u32,
        deployment: Uuid,
        runtime: Handle,
    ) -> Self {
        let (session, failed, memory, applied) = (None, false, Memory::default(), Positions::new());
        ElasticsearchWriter {
            client,
            names,
            generation,
            deployment,
            runtime,
            session,
            failed,
            memory,
            applied,
        }
    }

    /// What is known of an order is in memory afterwards.
    fn fetch(&mut self, orders: &[OrderId]) -> Result<(), ViewError> {
        let index = self.names.orders(self.generation);
        let found = self
            .runtime
            .block_on(mget::documents(&self.client, &index, orders))?;
        for (order, found) in orders.iter().zip(found) {
            let known = found.map(|(document, stamp)| Known {
                document,
                puts: stamp.puts,
            });
            self.memory.learn(*order, known);
        }
        Ok(())
    }

    /// `change` is absent when this release does not know the type of the event: then only the
    /// version advances.
    fn apply_order(
        &mut self,
        event: &Event,
        change: Option<&OrderEvent>,
    ) -> Result<Applied, ViewError> {
        let order = OrderId(event.entity);

        if self.memory.is_full() {
            self.commit_early()?;
        }

        if !self.memory.has(order) {
            self.fetch(&[order])?;
        }

        let version = self.memory.version_of(order);
        if event.version <= version {
            return Ok(Applied::Duplicate);
        }

        if event.version > version + 1 {
            return Ok(Applied::Missing {
                from_version: version + 1,
            });
        }

        let (document, puts) = match self.memory.newest(order) {
            None => (fold::first(event, change)?, self.memory.puts_of_new(order)),
            Some((before, puts)) => {
                let mut document = before.clone();
                fold::next(&mut document, event, change)?;
                (document, puts)
            }
        };
        stamp_of(&document, 0)?;
        self.memory.change(document, puts);
        let applied = self.applied.entry(event.source).or_default();
        *applied = event.sequence.max(*applied);

        Ok(event.applied())
    }

    fn put_order(&mut self, document: &OrderDocument) -> Result<(), ViewError> {
        if self.memory.is_full() {
            self.commit_early()?;
        }
        stamp_of(document, 0)?;
        self.memory.put(document.clone());
        Ok(())
    }

    /// Commits the documents with the positions of the last commit. Those are behind the documents
    /// then, which the versions make harmless: what is read again is a duplicate.
    fn commit_early(&mut self) -> Result<(), ViewError> {
        debug!(
            documents = self.memory.pending().len(),
            "committing early, the buffer is full"
        );
        self.commit_with(&Positions::new())
    }

    fn commit_with(&mut self, positions: &Positions) -> Result<(), ViewError> {
        self.session()?;
        let result = self.runtime.clone().block_on(self.write(positions));
        self.give_up_after(result)
    }

    /// After an error all that was applied is gone.
    fn give_up_after(&mut self, result: Result<(), ViewError>) -> Result<(), ViewError> {
        if result.is_err() {
            self.session = None;
            self.failed = true;
            self.memory = Memory::default();
        }
        result
    }

    /// The steps of a commit; see [`elasticsearch`](super). Those that would change nothing are
    /// left out.
    async fn write(&mut self, positions: &Positions) -> Result<(), ViewError> {
        let session = self.session.as_mut().ok_or_else(given_up)?;
        let positions = furthest(&session.committed, positions);

        let place = Place {
            client: &self.client,
            names: &self.names,
            generation: self.generation,
        };

        if !self.memory.pending().is_empty() {
            let reach = furthest(&furthest(&session.stored.reach, &positions), &self.applied);
            if reach != session.stored.reach {
                let positions = session.committed.clone();
                let before_documents = GenerationState {
                    reach,
                    positions,
                    ..session.stored.clone()
                };
                place.store(session, before_documents).await?;
            }
            place.count_puts(&mut self.memory).await?;
            session.refreshed = false;
            place.write_documents(&mut self.memory).await?;
        }

        if !session.refreshed {
            place.refresh().await?;
            session.refreshed = true;
        }

        session.committed = positions;

        if session.quarantined != session.stored.quarantined {
            let quarantined = session.quarantined.clone();
            place.finish(session, quarantined).await?;
        }

        self.memory.committed();
        self.applied.clear();

        Ok(())
    }

    async fn finish_commit(&mut self) -> Result<(), ViewError> {
        let session = self.session.as_mut().ok_or_else(given_up)?;
        let place = Place {
            client: &self.client,
            names: &self.names,
            generation: self.generation,
        };
        let quarantined = session.stored.quarantined.clone();
        place.finish(session, quarantined).await
    }

    fn session(&mut self) -> Result<&mut Session, ViewError> {
        if self.session.is_none() && !self.failed {
            self.begin()?;
        }
        self.session.as_mut().ok_or_else(given_up)
    }

    /// Begins from what is stored.
    fn begin(&mut self) -> Result<(), ViewError> {
        self.memory = Memory::default();
        self.applied.clear();
        self.session = None;

        let begin = Session::begin(&self.client, &self.names, self.generation, self.deployment);
        self.session = Some(self.runtime.block_on(begin)?);
        self.failed = false;

        Ok(())
    }
}

fn stamp_of(document: &OrderDocument, puts: u32) -> Result<Stamp, ViewError> {
    Stamp::new(puts, document.version).ok_or_else(|| {
        refused(format_args!(
            "order {} cannot be stored with version {}",
            document.order_id, document.version
        ))
    })
}

fn given_up() -> ViewError {
    unavailable("a commit has failed, begin again from the positions")
}

impl ViewWriter<OrderDocument> for ElasticsearchWriter {
    fn positions(&mut self) -> Result<Positions, ViewError> {
        // What was done and not committed is dropped.
        self.begin()?;
        Ok(self.session()?.stored.positions.clone())
    }

    fn prepare(&mut self, entities: &[(Service, Uuid, u64)]) -> Result<(), ViewError> {
        let mut orders = Vec::new();

        for (_, id, version) in entities
            .iter()
            .filter(|(service, ..)| *service == domain::ORDERS)
        {
            // An order that begins is not looked for: should it be there, the write finds it.
            match version {
                1 => self.memory.begins(OrderId(*id)),
                _ => orders.push(OrderId(*id)),
            }
        }

        orders.retain(|order| !self.memory.has(*order));
        orders.sort_unstable();
        orders.dedup();

        self.fetch(&orders)
    }

    fn apply(&mut self, event: &Message) -> Result<Applied, ViewError> {
        self.session()?;
        let event = Event::decode(event).map_err(refused)?;
        match &event.payload {
            Payload::Customer(_) => Ok(Applied::Taken),
            Payload::Order(change) => self.apply_order(&event, Some(change)),
            Payload::Unknown => self.apply_order(&event, None),
        }
    }

    fn put(&mut self, order: &OrderDocument) -> Result<(), ViewError> {
        self.session()?;
        self.put_order(order)
    }

    /// A document that the server refuses does not keep back the others of the commit: they may be
    /// stored, and come to be visible with a later one.
    fn commit(&mut self, positions: &Positions) -> Result<(), ViewError> {
        self.commit_with(positions)
    }

    fn finish(&mut self) -> Result<(), ViewError> {
        self.session()?;
        let result = self.runtime.clone().block_on(self.finish_commit());
        self.give_up_after(result)
    }

    fn quarantined(&mut self, limit: usize) -> Result<Vec<QuarantinedEntity>, ViewError> {
        Ok(self
            .session()?
            .quarantined
            .iter()
            .take(limit)
            .cloned()
            .collect())
    }

    fn quarantine(&mut self, entity: &QuarantinedEntity) -> Result<(), ViewError> {
        let quarantined = &mut self.session()?.quarantined;
        quarantined.retain(|known| {
            (known.source.service, known.entity) != (entity.source.service, entity.entity)
        });
        quarantined.push(entity.clone());
        Ok(())
    }

    fn release(&mut self, service: Service, entity: Uuid) -> Result<(), ViewError> {
        let quarantined = &mut self.session()?.quarantined;
        quarantined.retain(|known| (known.source.service, known.entity) != (service, entity));
        Ok(())
    }
}
