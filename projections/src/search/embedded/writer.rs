//! The write side: folds events into documents, and puts the documents into the index with each
//! commit.
//!
//! Between commits documents are kept in memory ([`Buffer`]), one per order, so that an order that
//! is created and approved in the meantime enters the index once.

use std::sync::Arc;

use domain::{OrderEvent, OrderId, Service};
use store::{Message, Positions};
use tantivy::{Index, IndexReader, IndexWriter};
use tokio::sync::watch;
use tracing::debug;
use uuid::Uuid;

use super::commit::CommitState;
use super::indexing;
use super::keeper::Keeper;
use super::new_segments::NewSegments;
use super::schema::Fields;
use super::snapshot::Snapshot;
use super::view_error;
use crate::search::fold;
use crate::search::{damaged, refused, unavailable};
use crate::shop::{Event, OrderDocument, Payload};
use crate::{Applied, QuarantinedEntity, ViewError, ViewWriter};

mod buffer;

use buffer::{Buffer, Pending};

pub(super) struct EmbeddedWriter {
    index: Index,
    /// Before the writer, which holds the lock of the index until the last of it is durable: fields
    /// are dropped in this order.
    keeper: Keeper,
    /// `None` after a failed commit, with which all that was applied is gone; asking for the
    /// positions begins anew.
    writer: Option<IndexWriter>,
    reader: IndexReader,
    fields: Fields,
    publish: watch::Sender<Arc<Snapshot>>,
    /// As of the newest commit.
    positions: Positions,
    buffer: Buffer,
    /// Entities that are taken in no longer; durable with the next commit.
    quarantined: Vec<QuarantinedEntity>,
    quarantine_changed: bool,
}

impl EmbeddedWriter {
    pub(super) fn new(
        writer: IndexWriter,
        keeper: Keeper,
        reader: IndexReader,
        fields: Fields,
        publish: watch::Sender<Arc<Snapshot>>,
        state: CommitState,
    ) -> Self {
        EmbeddedWriter {
            index: writer.index().clone(),
            writer: Some(writer),
            keeper,
            reader,
            fields,
            publish,
            positions: state.positions,
            quarantined: state.quarantined,
            quarantine_changed: false,
            buffer: Buffer::default(),
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.publish.borrow())
    }

    /// The version applied; 0 when the order is unknown.
    fn version_of(&self, order: OrderId) -> Result<u64, ViewError> {
        match self.buffer.get(order) {
            Some(document) => Ok(document.version),
            None => Ok(self
                .snapshot()
                .find(order)?
                .map_or(0, |(_, version)| version)),
        }
    }

    /// Takes the newest document of an order out of where it is kept, and which version of it is
    /// committed.
    fn take_newest(
        &mut self,
        order: OrderId,
    ) -> Result<Option<(OrderDocument, Option<u64>)>, ViewError> {
        if let Some(Pending { document, replaces }) = self.buffer.take(order) {
            return Ok(Some((document, replaces)));
        }

        let snapshot = self.snapshot();
        let Some((address, version)) = snapshot.find(order)? else {
            return Ok(None);
        };

        Ok(Some((snapshot.document(address)?, Some(version))))
    }

    /// `change` is absent when this release does not know the type of the event: then only the
    /// version advances.
    fn apply_order(
        &mut self,
        event: &Event,
        change: Option<&OrderEvent>,
    ) -> Result<Applied, ViewError> {
        let order = OrderId(event.entity);

        let version = self.version_of(order)?;
        if event.version <= version {
            return Ok(Applied::Duplicate);
        }

        if event.version > version + 1 {
            return Ok(Applied::Missing {
                from_version: version + 1,
            });
        }

        self.make_room()?;

        if version == 0 {
            self.buffer.keep(fold::first(event, change)?, None);
            return Ok(event.applied());
        }

        // Before the document is taken out of the buffer.
        fold::refuse_second_creation(event, change)?;
        let Some((mut document, replaces)) = self.take_newest(order)? else {
            return Ok(Applied::Missing { from_version: 1 });
        };
        fold::next(&mut document, event, change)?;
        self.buffer.keep(document, replaces);

        Ok(event.applied())
    }

    fn put_order(&mut self, document: &OrderDocument) -> Result<(), ViewError> {
        self.make_room()?;

        let order = document.order_id;
        let replaces = match self.buffer.take(order) {
            Some(Pending { replaces, .. }) => replaces,
            None => self.snapshot().find(order)?.map(|(_, version)| version),
        };
        self.buffer.keep(document.clone(), replaces);

        Ok(())
    }

    /// Commits when there is no room for one more document.
    fn make_room(&mut self) -> Result<(), ViewError> {
        if self.buffer.is_full() {
            self.commit_early()?;
        }
        Ok(())
    }

    /// Commits the documents with the positions of the last commit. Those are behind the documents
    /// then, which the version guard makes harmless: what is read again is a duplicate.
    fn commit_early(&mut self) -> Result<(), ViewError> {
        debug!(
            documents = self.buffer.pending().len(),
            "committing early, the buffer is full"
        );
        let positions = self.positions.clone();
        self.commit_with(positions)
    }

    fn commit_with(&mut self, positions: Positions) -> Result<(), ViewError> {
        let result = self.write(positions);
        if result.is_err() {
            self.buffer = Buffer::default();
            self.writer = None;
        }
        result
    }

    fn write(&mut self, positions: Positions) -> Result<(), ViewError> {
        if let Some(error) = self.keeper.failure() {
            return Err(view_error(error.into()));
        }

        let writer = self.writer.as_mut().ok_or_else(given_up)?;
        let mut segments = NewSegments::new(writer, self.buffer.pending().len());

        for (order, pending) in self.buffer.pending() {
            let document = self.fields.document(&pending.document).map_err(|error| {
                refused(format_args!("order {order} cannot be stored: {error}"))
            })?;
            let stored = |version| self.fields.version_term(*order, version);
            let put = match pending.replaces {
                None => segments.add(document),
                Some(version) if version == pending.document.version => {
                    segments.replace_same(stored(version), document)
                }
                Some(version) => segments.replace(stored(version), document),
            };
            put.map_err(view_error)?;
        }

        segments.finish().map_err(view_error)?;
        let mut commit = writer.prepare_commit().map_err(view_error)?;

        let state = CommitState {
            positions: positions.clone(),
            quarantined: self.quarantined.clone(),
        };
        commit.set_payload(&state.write());
        commit.commit().map_err(view_error)?;
        self.show(positions)?;
        self.quarantine_changed = false;
        self.buffer.committed();

        Ok(())
    }

    /// Shows the newest commit to readers.
    fn show(&mut self, positions: Positions) -> Result<(), ViewError> {
        self.reader.reload().map_err(view_error)?;
        let snapshot = Snapshot::open(self.reader.searcher(), self.fields, positions.clone())
            .map_err(view_error)?;
        self.publish.send_replace(Arc::new(snapshot));
        self.positions = positions;
        Ok(())
    }

    /// Goes back to the newest commit after a failed one, which may have happened or not.
    fn recover(&mut self) -> Result<(), ViewError> {
        self.keeper
            .persist()
            .map_err(|error| view_error(error.into()))?;
        let writer = indexing::open(&self.index)?;
        let state = self.newest_commit()?;
        self.show(state.positions)?;
        self.quarantined = state.quarantined;
        self.quarantine_changed = false;
        self.writer = Some(writer);
        Ok(())
    }

    /// Goes back to the newest commit when none has failed: tantivy is given nothing before the
    /// next one.
    fn drop_uncommitted(&mut self) -> Result<(), ViewError> {
        self.buffer.drop_uncommitted();
        if self.quarantine_changed {
            self.quarantined = self.newest_commit()?.quarantined;
            self.quarantine_changed = false;
        }
        Ok(())
    }

    fn newest_commit(&self) -> Result<CommitState, ViewError> {
        let payload = self.index.load_metas().map_err(view_error)?.payload;
        CommitState::read(payload.as_deref())
            .ok_or_else(|| damaged("the newest commit has no positions"))
    }
}

fn given_up() -> ViewError {
    unavailable("a commit has failed, begin again from the positions")
}

impl ViewWriter<OrderDocument> for EmbeddedWriter {
    fn positions(&mut self) -> Result<Positions, ViewError> {
        if self.writer.is_none() {
            self.recover()?;
        } else {
            self.drop_uncommitted()?;
        }
        Ok(self.positions.clone())
    }

    fn apply(&mut self, event: &Message) -> Result<Applied, ViewError> {
        if self.writer.is_none() {
            return Err(given_up());
        }
        let event = Event::decode(event).map_err(refused)?;
        match &event.payload {
            Payload::Customer(_) => Ok(Applied::Taken),
            Payload::Order(change) => self.apply_order(&event, Some(change)),
            Payload::Unknown => self.apply_order(&event, None),
        }
    }

    fn put(&mut self, order: &OrderDocument) -> Result<(), ViewError> {
        if self.writer.is_none() {
            return Err(given_up());
        }
        self.put_order(order)
    }

    fn commit(&mut self, positions: &Positions) -> Result<(), ViewError> {
        let unchanged = self.buffer.pending().is_empty()
            && !self.quarantine_changed
            && *positions == self.positions;
        if self.writer.is_some() && unchanged {
            return Ok(());
        }
        self.commit_with(positions.clone())
    }

    fn quarantined(&mut self, limit: usize) -> Result<Vec<QuarantinedEntity>, ViewError> {
        Ok(self.quarantined.iter().take(limit).cloned().collect())
    }

    fn quarantine(&mut self, entity: &QuarantinedEntity) -> Result<(), ViewError> {
        if self.writer.is_none() {
            return Err(given_up());
        }
        self.quarantined.retain(|known| {
            (known.source.service, known.entity) != (entity.source.service, entity.entity)
        });
        self.quarantined.push(entity.clone());
        self.quarantine_changed = true;
        Ok(())
    }

    fn release(&mut self, service: Service, entity: Uuid) -> Result<(), ViewError> {
        if self.writer.is_none() {
            return Err(given_up());
        }
        self.quarantined
            .retain(|known| (known.source.service, known.entity) != (service, entity));
        self.quarantine_changed = true;
        Ok(())
    }
}
