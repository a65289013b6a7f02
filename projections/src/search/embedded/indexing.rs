//! How tantivy is set: the memory it indexes in, and when it puts segments together.

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
