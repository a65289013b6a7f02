//! The words with a given beginning.
//!
//! It finds what tantivy's query over a range of words does, and can be given up: short prefixes of
//! a large index have a great many words.

use tantivy::query::{
    BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, DocSet as _, Score, SegmentReader};

use super::deadline::Deadline;
use super::lookup::prefix_end;

/// All matches score the same.
#[derive(Clone, Debug)]
pub(super) struct Prefix {
    pub(super) field: Field,
    pub(super) prefix: String,
    pub(super) deadline: Deadline,
}

impl Query for Prefix {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Prefix {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let index = segment.inverted_index(self.field)?;
        let mut range = index.terms().range().ge(self.prefix.as_bytes());
        if let Some(end) = prefix_end(&self.prefix) {
            range = range.lt(end);
        }

        let mut found = BitSet::with_max_value(segment.max_doc());
        let mut terms = range.into_stream()?;
        while terms.advance() {
            self.deadline.check()?;
            let mut postings =
                index.read_block_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
            while !postings.docs().is_empty() {
                for doc in postings.docs() {
                    found.insert(*doc);
                }
                postings.advance();
            }
        }

        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(found), boost)))
    }

    fn explain(&self, segment: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(segment, 1.0)?;
        let score = if scorer.seek(doc) == doc {
            scorer.score()
        } else {
            0.0
        };
        Ok(Explanation::new("a prefix", score))
    }
}
