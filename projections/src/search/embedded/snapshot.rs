//! One commit of the index, as readers and the writer see it.

use std::sync::Arc;

use domain::OrderId;
use store::Positions;
use tantivy::columnar::ColumnValues;
use tantivy::schema::{IndexRecordOption, Value as _};
use tantivy::{
    DocAddress, DocId, DocSet as _, Searcher, SegmentOrdinal, SegmentReader, TERMINATED,
    TantivyDocument,
};

use super::schema::{self, Fields};
use super::view_error;
use crate::search::damaged;
use crate::{OrderDocument, ViewError};

pub(super) struct Snapshot {
    pub(super) searcher: Searcher,
    pub(super) fields: Fields,
    /// The columns of each segment, in the searcher's order.
    pub(super) columns: Vec<Columns>,
    pub(super) positions: Positions,
}

/// The columns of one segment, opened once.
pub(super) struct Columns {
    pub(super) created: Arc<dyn ColumnValues<i64>>,
    pub(super) total: Arc<dyn ColumnValues<i64>>,
    version: Arc<dyn ColumnValues<u64>>,
    id_high: Arc<dyn ColumnValues<u64>>,
    id_low: Arc<dyn ColumnValues<u64>>,
}

impl Columns {
    fn open(segment: &SegmentReader) -> tantivy::Result<Self> {
        let columns = segment.fast_fields();
        Ok(Columns {
            created: columns.column_first_or_default(schema::CREATED)?,
            total: columns.column_first_or_default(schema::TOTAL)?,
            version: columns.column_first_or_default(schema::VERSION)?,
            id_high: columns.column_first_or_default(schema::ID_HIGH)?,
            id_low: columns.column_first_or_default(schema::ID_LOW)?,
        })
    }

    pub(super) fn version(&self, doc: DocId) -> u64 {
        self.version.get_val(doc)
    }

    pub(super) fn total(&self, doc: DocId) -> i64 {
        self.total.get_val(doc)
    }

    pub(super) fn id(&self, doc: DocId) -> u128 {
        (u128::from(self.id_high.get_val(doc)) << 64) | u128::from(self.id_low.get_val(doc))
    }
}

impl Snapshot {
    pub(super) fn open(
        searcher: Searcher,
        fields: Fields,
        positions: Positions,
    ) -> tantivy::Result<Self> {
        let columns = searcher
            .segment_readers()
            .iter()
            .map(Columns::open)
            .collect::<tantivy::Result<_>>()?;
        Ok(Snapshot {
            searcher,
            fields,
            columns,
            positions,
        })
    }

    /// Each segment with its number and columns.
    pub(super) fn segments(
        &self,
    ) -> impl Iterator<Item = (SegmentOrdinal, &SegmentReader, &Columns)> {
        (0..)
            .zip(self.searcher.segment_readers())
            .zip(&self.columns)
            .map(|((number, reader), columns)| {
                let number: SegmentOrdinal = number;
                (number, reader, columns)
            })
    }

    /// Where the order is, and its version.
    pub(super) fn find(&self, order: OrderId) -> Result<Option<(DocAddress, u64)>, ViewError> {
        let term = self.fields.id_term(order);

        for (number, segment, columns) in self.segments() {
            let index = segment
                .inverted_index(self.fields.keys)
                .map_err(view_error)?;
            let postings = index.read_postings(&term, IndexRecordOption::Basic);
            let Some(mut postings) = postings.map_err(|error| view_error(error.into()))? else {
                continue;
            };
            while postings.doc() != TERMINATED {
                let doc = postings.doc();
                if !segment.is_deleted(doc) {
                    return Ok(Some((
                        DocAddress::new(number, doc),
                        columns.version.get_val(doc),
                    )));
                }
                postings.advance();
            }
        }

        Ok(None)
    }

    /// The stored document.
    pub(super) fn document(&self, address: DocAddress) -> Result<OrderDocument, ViewError> {
        let stored: TantivyDocument = self.searcher.doc(address).map_err(view_error)?;
        let source = stored
            .get_first(self.fields.source)
            .and_then(|value| value.as_bytes());
        let source = source.ok_or_else(|| damaged("a document without its source"))?;
        serde_json::from_slice(source)
            .map_err(|error| damaged(format_args!("a stored document: {error}")))
    }
}
