//! A word, scored with its [points].

use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::{Postings as _, SegmentPostings};
use tantivy::query::{EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet, Score, SegmentReader, Term};

use super::scoring::explained;
use crate::search::points;

/// Finds what a term query finds.
#[derive(Clone, Debug)]
pub(super) struct WordPoints {
    pub(super) word: Term,
}

impl Query for WordPoints {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for WordPoints {
    fn scorer(&self, segment: &SegmentReader, _: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let index = segment.inverted_index(self.word.field())?;
        let postings = index.read_postings(&self.word, IndexRecordOption::WithFreqs)?;
        let Some(postings) = postings else {
            return Ok(Box::new(EmptyScorer));
        };
        let lengths = segment.get_fieldnorms_reader(self.word.field())?;
        Ok(Box::new(PointsScorer { postings, lengths }))
    }

    fn explain(&self, segment: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        explained(self, "the points of a word", segment, doc)
    }
}

struct PointsScorer {
    postings: SegmentPostings,
    lengths: FieldNormReader,
}

impl DocSet for PointsScorer {
    fn advance(&mut self) -> DocId {
        self.postings.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.postings.seek(target)
    }

    fn fill_buffer(&mut self, buffer: &mut [DocId; COLLECT_BLOCK_BUFFER_LEN]) -> usize {
        self.postings.fill_buffer(buffer)
    }

    fn doc(&self) -> DocId {
        self.postings.doc()
    }

    fn size_hint(&self) -> u32 {
        self.postings.size_hint()
    }
}

impl Scorer for PointsScorer {
    fn score(&mut self) -> Score {
        f32::from(points::of_word(
            self.postings.term_freq(),
            self.lengths.fieldnorm(self.postings.doc()),
        ))
    }
}
