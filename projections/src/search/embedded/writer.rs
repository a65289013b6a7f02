//! The write side: folds events into documents, and puts the documents into the index with each
//! commit.
//!
//! Between commits documents are kept here, one per order, so that an order that is created and
//! approved in the meantime enters the index once. An order's newest document is then in one of
//! three places: here; among the ones a saga was still at work on at the last commit (their next
//! event is near); or in the index, by id.

use std::collections::HashMap;
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
use super::{damaged, view_error};
use crate::search::fold::{self, size_of};
use crate::search::{VIEW, refused};
use crate::shop::{Event, OrderDocument, Payload};
use crate::{Applied, QuarantinedEntity, ViewError, ViewWriter};

/// So many documents, or so much text, are kept between commits at most; then there is a commit of
/// their own.
const MAX_PENDING: usize = 20_000;
const MAX_PENDING_BYTES: usize = 16 << 20;
/// So many committed documents are kept for their next event.
const MAX_LOCKED: usize = 4_096;

pub(super) struct EmbeddedWriter {
    index: Index,
    /// `None` after a failed commit, with which all that was applied is gone; asking for the
    /// positions begins anew.
    writer: Option<IndexWriter>,
    keeper: Keeper,
    reader: IndexReader,
    fields: Fields,
    publish: watch::Sender<Arc<Snapshot>>,
    /// As of the newest commit.
    positions: Positions,
    pending: HashMap<OrderId, Pending>,
    pending_bytes: usize,
    /// Documents as committed, of orders on which a saga was at work then.
    locked: HashMap<OrderId, OrderDocument>,
    /// Entities that are taken in no longer; durable with the next commit.
    quarantined: Vec<QuarantinedEntity>,
    quarantine_changed: bool,
}

/// A document that is not committed yet.
struct Pending {
    document: OrderDocument,
    /// The version of it that is committed.
    replaces: Option<u64>,
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
            pending: HashMap::new(),
            pending_bytes: 0,
            locked: HashMap::new(),
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.publish.borrow())
    }

    /// The version applied; 0 when the order is unknown.
    fn version_of(&self, order: OrderId) -> Result<u64, ViewError> {
        let kept = self
            .pending
            .get(&order)
            .map(|pending| &pending.document)
            .or_else(|| self.locked.get(&order));
        match kept {
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
        if let Some(Pending { document, replaces }) = self.pending.remove(&order) {
            self.pending_bytes = self.pending_bytes.saturating_sub(size_of(&document));
            return Ok(Some((document, replaces)));
        }

        if let Some(document) = self.locked.remove(&order) {
            let version = document.version;
            return Ok(Some((document, Some(version))));
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

        let (document, replaces) = match (change, version) {
            (Some(OrderEvent::Created(created)), 0) => (fold::first(event, created), None),
            (Some(OrderEvent::Created(_)), _) | (_, 0) => return Err(fold::out_of_place(event)),
            (change, _) => match self.take_newest(order)? {
                Some((before, replaces)) => (fold::next(before, event, change), replaces),
                None => return Ok(Applied::Missing { from_version: 1 }),
            },
        };
        self.keep(document, replaces);

        Ok(event.applied())
    }

    fn put_order(&mut self, document: &OrderDocument) -> Result<(), ViewError> {
        self.make_room()?;

        let order = document.order_id;
        let replaces = match self.pending.remove(&order) {
            Some(Pending { document, replaces }) => {
                self.pending_bytes = self.pending_bytes.saturating_sub(size_of(&document));
                replaces
            }
            None => match self.locked.remove(&order) {
                Some(document) => Some(document.version),
                None => self.snapshot().find(order)?.map(|(_, version)| version),
            },
        };
        self.keep(document.clone(), replaces);

        Ok(())
    }

    /// Keeps an order's newest document until the next commit.
    fn keep(&mut self, document: OrderDocument, replaces: Option<u64>) {
        self.pending_bytes += size_of(&document);
        self.pending
            .insert(document.order_id, Pending { document, replaces });
    }

    /// Commits when there is no room for one more document.
    fn make_room(&mut self) -> Result<(), ViewError> {
        if self.pending.len() >= MAX_PENDING || self.pending_bytes >= MAX_PENDING_BYTES {
            self.commit_early()?;
        }
        Ok(())
    }

    /// Commits the documents with the positions of the last commit. Those are behind the documents
    /// then, which the version guard makes harmless: what is read again is a duplicate.
    fn commit_early(&mut self) -> Result<(), ViewError> {
        debug!(
            documents = self.pending.len(),
            "committing early, the buffer is full"
        );
        let positions = self.positions.clone();
        self.commit_with(positions)
    }

    fn commit_with(&mut self, positions: Positions) -> Result<(), ViewError> {
        let result = self.write(positions);
        if result.is_err() {
            self.forget();
            self.writer = None;
        }
        result
    }

    fn write(&mut self, positions: Positions) -> Result<(), ViewError> {
        if let Some(error) = self.keeper.failure() {
            return Err(view_error(error.into()));
        }

        let writer = self.writer.as_mut().ok_or_else(given_up)?;
        let mut segments = NewSegments::new(writer, self.pending.len());

        for (order, pending) in &self.pending {
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
        self.keep_locked();

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

    /// After a commit: keeps the documents that will change soon.
    fn keep_locked(&mut self) {
        let committed = self
            .pending
            .drain()
            .map(|(order, pending)| (order, pending.document));
        let locked = committed.filter(|(_, document)| document.state.lock().is_some());
        self.locked.extend(locked.take(MAX_LOCKED));

        self.pending_bytes = 0;
        let excess = self.locked.len().saturating_sub(MAX_LOCKED);
        if excess > 0 {
            // Whichever: any can be read from the index.
            let out: Vec<OrderId> = self.locked.keys().take(excess).copied().collect();
            out.iter().for_each(|order| drop(self.locked.remove(order)));
        }
    }

    fn forget(&mut self) {
        self.pending.clear();
        self.pending_bytes = 0;
        self.locked.clear();
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
        self.pending.clear();
        self.pending_bytes = 0;
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
    let source = "a commit has failed, begin again from the positions".into();
    ViewError::Unavailable { view: VIEW, source }
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
        let unchanged =
            self.pending.is_empty() && !self.quarantine_changed && *positions == self.positions;
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
