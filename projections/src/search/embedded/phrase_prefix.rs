//! Words one after the other, of which the last may be any with a given beginning.
//!
//! tantivy's own phrase prefix query looks at a limited number of words only, and then misses orders; skus have many
//! words with a common beginning. This one is exact. Per segment it first finds where the leading words stand, then
//! goes through the words of the beginning one at a time, so that it holds one list of postings, however many they are.

use std::io;

use tantivy::postings::Postings;
use tantivy::query::{BitSetDocSet, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{BitSet, DocId, DocSet as _, Score, SegmentReader, TERMINATED, Term};

use super::lookup::prefix_end;

/// All matches score the same.
#[derive(Clone, Debug)]
pub(super) struct PhrasePrefix {
    /// The leading words, at least one, all of one field.
    pub(super) first: Term,
    pub(super) following: Vec<Term>,
    /// The beginning of the last word.
    pub(super) prefix: String,
}

/// A document, and a position in it at which the next word must stand.
type Place = (DocId, u32);

impl Query for PhrasePrefix {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for PhrasePrefix {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let places = self.places(segment)?;
        if places.is_empty() {
            return Ok(Box::new(EmptyScorer));
        }
        let index = segment.inverted_index(self.first.field())?;
        let mut range = index.terms().range().ge(self.prefix.as_bytes());
        if let Some(end) = prefix_end(&self.prefix) {
            range = range.lt(end);
        }
        let mut found = BitSet::with_max_value(segment.max_doc());
        let mut terms = range.into_stream()?;
        while terms.advance() {
            let mut postings =
                index.read_postings_from_terminfo(terms.value(), IndexRecordOption::WithFreqsAndPositions)?;
            join(&places, &mut postings, |(doc, _)| {
                found.insert(doc);
            });
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(found), boost)))
    }

    fn explain(&self, segment: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(segment, 1.0)?;
        let score = if scorer.seek(doc) == doc { scorer.score() } else { 0.0 };
        Ok(Explanation::new("a phrase whose last word is a prefix", score))
    }
}

impl PhrasePrefix {
    /// The places right after the leading words, in order.
    fn places(&self, segment: &SegmentReader) -> io::Result<Vec<Place>> {
        let index = segment.inverted_index(self.first.field()).map_err(io::Error::other)?;
        let read = |term| index.read_postings(term, IndexRecordOption::WithFreqsAndPositions);
        let mut places = Vec::new();
        let Some(mut postings) = read(&self.first)? else { return Ok(places) };
        let mut positions = Vec::new();
        while postings.doc() != TERMINATED {
            postings.positions(&mut positions);
            places.extend(positions.iter().map(|position| (postings.doc(), position + 1)));
            postings.advance();
        }
        for term in &self.following {
            let mut next = Vec::new();
            if let Some(mut postings) = read(term)? {
                join(&places, &mut postings, |(doc, position)| next.push((doc, position + 1)));
            }
            places = next;
        }
        Ok(places)
    }
}

/// Calls `found` for each of the places at which a word with these postings stands. Either side skips what the other
/// does not have.
fn join(places: &[Place], postings: &mut impl Postings, mut found: impl FnMut(Place)) {
    let mut rest = places;
    let mut positions = Vec::new();
    loop {
        let doc = postings.doc();
        if doc == TERMINATED {
            return;
        }
        rest = rest.get(rest.partition_point(|place| place.0 < doc)..).unwrap_or_default();
        match rest.first() {
            None => return,
            Some((next, _)) if *next > doc => {
                postings.seek(*next);
            }
            Some(_) => {
                postings.positions(&mut positions);
                for place in rest.iter().take_while(|place| place.0 == doc) {
                    if positions.binary_search(&place.1).is_ok() {
                        found(*place);
                    }
                }
                postings.advance();
            }
        }
    }
}
