//! The index as an auditor reads it: every order that searches find, by id, range by range.
//!
//! The term dictionary of the id field is sorted, so a range is read without looking at the rest,
//! and an order that is in the index twice shows. No writer's lock is taken, so a node may run
//! meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use domain::Service;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use store::snapshot::IdRange;
use tantivy::directory::MmapDirectory;
use tantivy::schema::IndexRecordOption;
use tantivy::{
    Directory, DocAddress, DocSet as _, Index, IndexReader, Opstamp, ReloadPolicy, SegmentOrdinal,
    SegmentReader,
};
use tantivy::{TERMINATED, TantivyError};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::commit::CommitState;
use super::schema::{self, Fields};
use super::snapshot::{Columns, Snapshot};
use super::{task_error, view_error};
use crate::ViewError;
use crate::search::damaged;
use crate::shop::OrderDocument;
use crate::shop::document::beside_order;
use crate::slices::{Slice, Stored, ViewAudit};

/// Decompressed blocks of stored documents kept per segment: documents of near ids lie in many
/// blocks.
const STORE_CACHE_BLOCKS: usize = 32;
/// A commit may come between reading its payload and opening its segments; then both are read
/// again.
const ATTEMPTS: usize = 100;

/// An index opened to be read in whole, at its newest commit each time.
pub struct IndexAudit(Arc<Mutex<OpenIndex>>);

/// Opens the index in `folder` to read only; `None` when there is none of this release's
/// definition.
///
/// # Errors
/// When it cannot be read.
pub(super) fn open_on_disk(folder: &Path) -> Result<Option<IndexAudit>, ViewError> {
    if !folder.is_dir() {
        return Ok(None);
    }
    open_to_read(MmapDirectory::open(folder).map_err(|error| view_error(error.into()))?)
}

/// Opens an index to read only, as its directory has it.
///
/// # Errors
/// As [`open_on_disk`].
pub(super) fn open_to_read(directory: impl Directory) -> Result<Option<IndexAudit>, ViewError> {
    if !Index::exists(&directory).map_err(|error| view_error(error.into()))? {
        return Ok(None);
    }

    let mut index = Index::open(directory).map_err(view_error)?;

    let (schema, fields) = schema::define();
    if index.schema() != schema {
        return Ok(None);
    }

    index.set_tokenizers(schema::tokenizers());
    let builder = index.reader_builder().reload_policy(ReloadPolicy::Manual);
    let builder = builder.doc_store_cache_num_blocks(STORE_CACHE_BLOCKS);
    let reader: IndexReader = builder.try_into().map_err(view_error)?;
    let (commit, snapshot, state) = newest(&index, &reader, fields)?;

    let open = OpenIndex {
        index,
        reader,
        fields,
        commit,
        snapshot,
        state,
    };

    Ok(Some(IndexAudit(Arc::new(Mutex::new(open)))))
}

impl IndexAudit {
    /// Reads the newest commit, off the async threads.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&OpenIndex) -> Result<T, ViewError> + Send + 'static,
    ) -> Result<T, ViewError> {
        let mut index = Arc::clone(&self.0).lock_owned().await;
        let task = tokio::task::spawn_blocking(move || {
            index.refresh()?;
            read(&index)
        });
        task.await.map_err(task_error)?
    }
}

impl ViewAudit<OrderDocument> for IndexAudit {
    fn slice(
        &self,
        _: Service,
        range: IdRange,
    ) -> BoxFuture<'_, Result<Slice<OrderDocument>, ViewError>> {
        self.read(move |index| index.slice(range)).boxed()
    }
}

struct OpenIndex {
    index: Index,
    reader: IndexReader,
    fields: Fields,
    commit: Opstamp,
    snapshot: Snapshot,
    state: CommitState,
}

impl OpenIndex {
    /// Goes on to the newest commit.
    fn refresh(&mut self) -> Result<(), ViewError> {
        if self.index.load_metas().map_err(view_error)?.opstamp != self.commit {
            (self.commit, self.snapshot, self.state) =
                newest(&self.index, &self.reader, self.fields)?;
        }
        Ok(())
    }

    /// The orders of a range that searches find.
    fn slice(&self, range: IdRange) -> Result<Slice<OrderDocument>, ViewError> {
        let CommitState {
            positions,
            quarantined,
        } = self.state.clone();
        let found = self.found(range).map_err(view_error)?.into_iter();
        let stored = found.filter_map(|(id, hits)| self.stored(id, &hits));

        Ok(Slice {
            entities: stored.collect(),
            positions,
            quarantined,
        })
    }

    /// Where the orders of a range stand.
    fn found(&self, range: IdRange) -> tantivy::Result<BTreeMap<Uuid, Vec<Hit>>> {
        let mut found = BTreeMap::new();

        for (number, segment, columns) in self.snapshot.segments() {
            let segment = Segment {
                number,
                segment,
                columns,
            };
            segment.orders(self.fields, range, &mut found)?;
        }

        Ok(found)
    }

    /// The newest of the places where an order stands, with their number.
    fn stored(&self, id: Uuid, hits: &[Hit]) -> Option<Stored<OrderDocument>> {
        let newest = hits.iter().max_by_key(|hit| hit.version)?;
        let document = self.snapshot.document(newest.address);

        Some(Stored {
            id,
            hits: hits.len(),
            disagreements: beside_order(&document, newest.version, newest.total_cents),
            entity: document,
        })
    }
}

/// Where an order stands, and what stands beside it there.
struct Hit {
    address: DocAddress,
    version: u64,
    total_cents: i64,
}

struct Segment<'a> {
    number: SegmentOrdinal,
    segment: &'a SegmentReader,
    columns: &'a Columns,
}

impl Segment<'_> {
    fn orders(
        &self,
        fields: Fields,
        range: IdRange,
        found: &mut BTreeMap<Uuid, Vec<Hit>>,
    ) -> tantivy::Result<()> {
        let index = self.segment.inverted_index(fields.keys)?;
        let ids = index
            .terms()
            .range()
            .le(schema::id_key(range.up_to.unwrap_or(Uuid::max())));

        let ids = match range.after {
            Some(after) => ids.gt(schema::id_key(after)),
            None => ids.ge(schema::id_key(Uuid::nil())),
        };

        let mut ids = ids.into_stream()?;
        while ids.advance() {
            let no_id = || TantivyError::SchemaError("a key of an order is not an id".to_owned());
            let id = schema::id_of_key(ids.key()).ok_or_else(no_id)?;
            let mut postings =
                index.read_postings_from_terminfo(ids.value(), IndexRecordOption::Basic)?;
            while postings.doc() != TERMINATED {
                let doc = postings.doc();
                if !self.segment.is_deleted(doc) {
                    found.entry(id).or_default().push(Hit {
                        address: DocAddress::new(self.number, doc),
                        version: self.columns.version(doc),
                        total_cents: self.columns.total(doc),
                    });
                }
                postings.advance();
            }
        }

        Ok(())
    }
}

/// The newest commit: its segments and what its payload says, surely of one commit.
fn newest(
    index: &Index,
    reader: &IndexReader,
    fields: Fields,
) -> Result<(Opstamp, Snapshot, CommitState), ViewError> {
    for _ in 0..ATTEMPTS {
        let before = index.load_metas().map_err(view_error)?;
        reader.reload().map_err(view_error)?;
        if index.load_metas().map_err(view_error)?.opstamp != before.opstamp {
            continue;
        }
        let state = CommitState::read(before.payload.as_deref())
            .ok_or_else(|| damaged("the newest commit has no positions"))?;
        let snapshot = Snapshot::open(reader.searcher(), fields, state.positions.clone())
            .map_err(view_error)?;
        return Ok((before.opstamp, snapshot, state));
    }

    let cause =
        TantivyError::SystemError("commits come faster than the index can be opened".to_owned());
    Err(view_error(cause))
}

#[cfg(test)]
mod tests {
    use domain::order::OrderCreated;
    use domain::{CustomerId, Money, OrderEvent, ShardId, Timestamp};
    use store::Positions;

    use super::*;
    use crate::search::embedded::open_in;
    use crate::shop::{Event, Payload};
    use crate::testing::message_of;

    #[test]
    fn what_stands_beside_an_order_and_says_otherwise_is_told_and_so_is_a_second_hit() {
        domain::ids::register();
        let folder = tempfile::tempdir().unwrap();
        let ((mut writer, _reader), directory) = open_in(folder.path()).unwrap();
        let source = ShardId::new(domain::ORDERS, 3);
        let created = Event {
            source,
            sequence: 1,
            entity: Uuid::from_u128(2),
            version: 1,
            time: Timestamp::from_micros(1),
            payload: Payload::Order(OrderEvent::Created(OrderCreated {
                customer_id: CustomerId(Uuid::from_u128(1)),
                order_total: Money::from_cents(700),
                lines: Vec::new(),
                note: None,
                coordination: domain::Coordination::default(),
            })),
        };
        writer.apply(&message_of(&created)).unwrap();
        writer.commit(&Positions::from([(source, 1)])).unwrap();

        let audit = open_to_read(directory).unwrap().unwrap();
        let index = audit.0.blocking_lock();
        let mut found = index.found(IdRange::default()).unwrap();
        let mut hits = found.remove(&created.entity).unwrap();
        let right = index.stored(created.entity, &hits).unwrap();
        assert_eq!((right.hits, right.disagreements), (1, Vec::new()));

        let address = hits[0].address;
        hits.push(Hit {
            address,
            version: 9,
            total_cents: 800,
        });
        let wrong = index.stored(created.entity, &hits).unwrap();
        let told: Vec<_> = wrong.disagreements.iter().map(|told| told.what).collect();
        assert_eq!((wrong.hits, told), (2, vec!["version", "total"]));
    }
}
