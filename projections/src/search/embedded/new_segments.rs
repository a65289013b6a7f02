//! Documents of a commit become segments here, on the thread that commits.
//!
//! The indexing threads of tantivy are made for bulk: each commit fills and walks tables of many
//! megabytes, and waits for another thread to get its turn. A commit that a reader waits for has
//! some hundred documents.
//!
//! A segment is added before or after the deletions of the same commit, which tantivy may let work
//! on it; so they name the version they are of.

use tantivy::indexer::{AddOperation, SegmentWriter, UserOperation};
use tantivy::{IndexWriter, Segment, TantivyDocument, Term};

/// A segment that takes more memory than this is finished, and another one begun.
const MAX_SEGMENT_BYTES: usize = 16 << 20;
/// How many bytes of a table one document is expected to need; tables grow when that is too little.
const BYTES_PER_DOCUMENT: usize = 512;
/// tantivy makes no smaller tables.
const MIN_BYTES: usize = 128 << 10;

pub(super) struct NewSegments<'a> {
    writer: &'a IndexWriter,
    /// How much memory tables are made for.
    budget: usize,
    open: Option<(Segment, SegmentWriter)>,
}

impl<'a> NewSegments<'a> {
    pub(super) fn new(writer: &'a IndexWriter, documents: usize) -> Self {
        let budget = documents
            .saturating_mul(BYTES_PER_DOCUMENT)
            .clamp(MIN_BYTES, MAX_SEGMENT_BYTES);
        NewSegments {
            writer,
            budget,
            open: None,
        }
    }

    pub(super) fn add(&mut self, document: TantivyDocument) -> tantivy::Result<()> {
        let (segment, mut documents) = match self.open.take() {
            Some(open) => open,
            None => {
                let segment = self.writer.new_segment();
                let documents = SegmentWriter::for_segment(self.budget, segment.clone())?;
                (segment, documents)
            }
        };
        // No deletion means it, so its place among them does not matter.
        documents.add_document(AddOperation {
            opstamp: 0,
            document,
        })?;
        let is_full = documents.mem_usage() > MAX_SEGMENT_BYTES;
        self.open = Some((segment, documents));

        if is_full { self.finish_open() } else { Ok(()) }
    }

    /// Puts a document in the place of another version of it.
    pub(super) fn replace(
        &mut self,
        other_version: Term,
        document: TantivyDocument,
    ) -> tantivy::Result<()> {
        self.writer.delete_term(other_version);
        self.add(document)
    }

    /// Puts a document in the place of the same version of it, which happens when an order is
    /// healed. Only tantivy's own threads tell the one from the other.
    pub(super) fn replace_same(
        &mut self,
        version: Term,
        document: TantivyDocument,
    ) -> tantivy::Result<()> {
        self.writer
            .run([UserOperation::Delete(version), UserOperation::Add(document)])?;
        Ok(())
    }

    /// Makes the last of them part of the next commit.
    pub(super) fn finish(mut self) -> tantivy::Result<()> {
        self.finish_open()
    }

    fn finish_open(&mut self) -> tantivy::Result<()> {
        let Some((segment, documents)) = self.open.take() else {
            return Ok(());
        };
        let count = documents.max_doc();
        documents.finalize()?;
        let segment = segment.with_max_doc(count);
        segment.meta().untrack_temp_docstore();
        self.writer.add_segment(segment.meta().clone())
    }
}
