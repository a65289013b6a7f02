//! What the queries of this index have in common in how they score.

use tantivy::query::{Explanation, Weight};
use tantivy::{DocId, DocSet as _, SegmentReader};

/// The score of a document, by the name of what gives it.
pub(super) fn explained(
    weight: &impl Weight,
    name: &'static str,
    segment: &SegmentReader,
    doc: DocId,
) -> tantivy::Result<Explanation> {
    let mut scorer = weight.scorer(segment, 1.0)?;
    let score = if scorer.seek(doc) == doc {
        scorer.score()
    } else {
        0.0
    };
    Ok(Explanation::new(name, score))
}
