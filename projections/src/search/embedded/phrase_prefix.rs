//! Words one after the other, of which the last may be any with a given beginning.
//!
//! tantivy's own phrase prefix query looks at a limited number of words only, and then misses
//! orders; skus have many words with a common beginning. This one is exact. Per segment it goes
//! through the words with that beginning, one list of postings at a time, and then keeps those
//! places before which the leading words stand.

use std::io;

use tantivy::postings::{Postings as _, SegmentPostings};
use tantivy::query::{
    BitSetDocSet, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{
    BitSet, DocId, DocSet as _, InvertedIndexReader, Score, SegmentReader, TERMINATED, Term,
};

use super::deadline::Deadline;
use super::prefix::words_with;
use super::scoring::explained;

/// All matches score the same.
#[derive(Clone, Debug)]
pub(super) struct PhrasePrefix {
    pub(super) field: Field,
    /// The leading words, at least one.
    pub(super) head: Vec<Term>,
    /// The beginning of the last word.
    pub(super) prefix: String,
    pub(super) deadline: Deadline,
}

/// A document, and a position in it.
type Place = (DocId, u32);

impl Query for PhrasePrefix {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for PhrasePrefix {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let index = segment.inverted_index(self.field)?;
        let read = |term| index.read_postings(term, IndexRecordOption::WithFreqsAndPositions);

        let head: Option<Vec<SegmentPostings>> =
            self.head.iter().map(read).collect::<io::Result<_>>()?;
        let Some(head) = head else {
            return Ok(Box::new(EmptyScorer));
        };

        let mut places = self.last_words(&index)?;
        for postings in head.into_iter().rev() {
            places = preceded_by(&places, postings);
        }

        let mut found = BitSet::with_max_value(segment.max_doc());
        for (doc, _) in places {
            found.insert(doc);
        }

        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(found), boost)))
    }

    fn explain(&self, segment: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        explained(self, "a phrase whose last word is a prefix", segment, doc)
    }
}

impl PhrasePrefix {
    /// Where the words with the prefix stand, in order.
    fn last_words(&self, index: &InvertedIndexReader) -> tantivy::Result<Vec<Place>> {
        let mut places = Vec::new();
        let mut positions = Vec::new();

        let mut terms = words_with(index, &self.prefix)?;
        while terms.advance() {
            self.deadline.check()?;
            let mut postings = index.read_postings_from_terminfo(
                terms.value(),
                IndexRecordOption::WithFreqsAndPositions,
            )?;
            while postings.doc() != TERMINATED {
                postings.positions(&mut positions);
                places.extend(positions.iter().map(|position| (postings.doc(), *position)));
                postings.advance();
            }
        }

        places.sort_unstable();

        Ok(places)
    }
}

/// The places right before those of `places` at which a word with these postings stands, in order.
fn preceded_by(places: &[Place], mut postings: SegmentPostings) -> Vec<Place> {
    let mut found = Vec::new();
    let mut positions = Vec::new();

    for places in places.chunk_by(|one, next| one.0 == next.0) {
        let Some((doc, _)) = places.first() else {
            continue;
        };
        if postings.doc() < *doc {
            postings.seek(*doc);
        }
        if postings.doc() == *doc {
            postings.positions(&mut positions);
            let before = places
                .iter()
                .filter_map(|(doc, position)| Some((*doc, position.checked_sub(1)?)));
            found.extend(before.filter(|(_, position)| positions.binary_search(position).is_ok()));
        }
    }

    found
}
