//! How tantivy is set: the memory it indexes in, and when it puts segments together.

use std::iter;

use tantivy::indexer::{IndexWriterOptions, LogMergePolicy, MergeCandidate, MergePolicy};
use tantivy::{Index, IndexWriter, SegmentMeta};

use super::view_error;
use crate::ViewError;

/// Memory of tantivy's indexing thread, which has nothing to do (`new_segments`): the least that it
/// takes.
const INDEXING_BYTES: usize = 15 << 20;
/// The merge policy treats segments of this many documents and fewer as one size.
const SMALL: u32 = 1_000;

pub(super) fn options() -> IndexWriterOptions {
    IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(INDEXING_BYTES)
        .build()
}

pub(super) fn open(index: &Index) -> Result<IndexWriter, ViewError> {
    let writer: IndexWriter = index.writer_with_options(options()).map_err(view_error)?;
    writer.set_merge_policy(Box::new(SizesAndDeletes::new()));

    // tantivy gives the first operation of a process the number of the last commit. A merge of what
    // was committed then takes a deletion in that has that number, but not for segments that have
    // deletions of the last commit: in those what it deletes stays. So nothing has that number.
    writer.run(iter::empty()).map_err(view_error)?;
    Ok(writer)
}

/// Ten segments of a size are put together, so that a document is written anew about once per
/// factor of ten in the number of orders; and a large one in which much is deleted is written anew
/// by itself. Small ones are not: an order that is found while its saga is under way is deleted and
/// added again a moment later.
#[derive(Debug)]
struct SizesAndDeletes {
    sizes: LogMergePolicy,
}

impl SizesAndDeletes {
    fn new() -> Self {
        let mut sizes = LogMergePolicy::default();
        sizes.set_min_num_segments(10);
        sizes.set_min_layer_size(SMALL);
        sizes.set_level_log_size(1.5);
        sizes.set_max_docs_before_merge(500_000);
        sizes.set_del_docs_ratio_before_merge(1.0);
        SizesAndDeletes { sizes }
    }
}

impl MergePolicy for SizesAndDeletes {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let mut candidates = self.sizes.compute_merge_candidates(segments);
        let is_alone = |segment: &&SegmentMeta| {
            !candidates
                .iter()
                .any(|candidate| candidate.0.contains(&segment.id()))
        };

        let alone: Vec<_> = segments
            .iter()
            .filter(is_alone)
            .filter(|segment| is_full_of_holes(segment))
            .collect();

        candidates.extend(
            alone
                .into_iter()
                .map(|segment| MergeCandidate(vec![segment.id()])),
        );

        candidates
    }
}

fn is_full_of_holes(segment: &SegmentMeta) -> bool {
    segment.max_doc() > SMALL && segment.num_deleted_docs() > segment.max_doc() / 10 * 3
}

#[cfg(test)]
mod tests {
    use tantivy::indexer::NoMergePolicy;
    use tantivy::query::TermQuery;
    use tantivy::schema::{IndexRecordOption, STRING, Schema};
    use tantivy::{TantivyDocument, Term};

    use super::super::new_segments::NewSegments;
    use super::*;

    /// Adds these keys in a segment of their own, and commits.
    fn commit(writer: &mut IndexWriter, keys: &[&str]) {
        let key = writer.index().schema().get_field("key").unwrap();
        let mut segments = NewSegments::new(writer, keys.len());
        for text in keys {
            let mut document = TantivyDocument::default();
            document.add_text(key, text);
            segments.add(document).unwrap();
        }
        segments.finish().unwrap();
        writer.commit().unwrap();
    }

    #[test]
    fn what_the_first_commit_of_a_process_replaces_is_gone_whatever_is_merged_meanwhile() {
        let mut schema = Schema::builder();
        let key = schema.add_text_field("key", STRING);
        let index = Index::create_in_ram(schema.build());
        let term = |text| Term::from_field_text(key, text);

        // Ten segments that nobody has merged yet, the second with a deletion of the last commit.
        // Nothing empties one, or its merge would be given up.
        let mut writer: IndexWriter = index.writer_with_options(options()).unwrap();
        writer.set_merge_policy(Box::new(NoMergePolicy));
        commit(&mut writer, &["a", "large", "segment", "indeed"]);
        commit(&mut writer, &["gone", "old", "kept"]);
        for number in 0..7 {
            commit(&mut writer, &[&number.to_string()]);
        }
        writer.delete_term(term("gone"));
        commit(&mut writer, &["last"]);
        drop(writer);

        let mut writer = open(&index).unwrap();
        writer.delete_term(term("old"));
        commit(&mut writer, &["new"]);
        writer.wait_merging_threads().unwrap();

        let searcher = index.reader().unwrap().searcher();
        assert!(searcher.segment_readers().len() < 10, "nothing was merged");
        let old = TermQuery::new(term("old"), IndexRecordOption::Basic);
        let found = searcher.search(&old, &tantivy::collector::Count).unwrap();
        assert_eq!(found, 0);
        assert_eq!(searcher.num_docs(), 4 + 1 + 7 + 2);
    }
}
