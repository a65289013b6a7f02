//! The words with a given beginning.
//!
//! [`Prefix`] finds what tantivy's query over a range of words does, and can be given up: short
//! prefixes of a large index have a great many words.

use std::io;

use tantivy::query::{
    BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::termdict::TermStreamer;
use tantivy::{BitSet, DocId, InvertedIndexReader, Score, SegmentReader};

use super::deadline::Deadline;
use super::scoring::explained;

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
        let mut found = BitSet::with_max_value(segment.max_doc());
        let mut terms = words_with(&index, &self.prefix)?;
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
        explained(self, "a prefix", segment, doc)
    }
}

/// The words of an index that begin like this.
pub(super) fn words_with<'i>(
    index: &'i InvertedIndexReader,
    prefix: &str,
) -> io::Result<TermStreamer<'i>> {
    let mut range = index.terms().range().ge(prefix.as_bytes());
    if let Some(end) = prefix_end(prefix) {
        range = range.lt(end);
    }
    range.into_stream()
}

/// The smallest text that is larger than all that begin with `prefix`.
fn prefix_end(prefix: &str) -> Option<String> {
    let mut head = prefix.chars();
    while let Some(last) = head.next_back() {
        // The next character, beyond the surrogates, which are none.
        if let Some(next) = (last..=char::MAX).nth(1) {
            return Some(format!("{}{next}", head.as_str()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_beyond_all_that_begin_with_it() {
        for (prefix, end) in [
            ("ab", Some("ac")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
        ] {
            assert_eq!(prefix_end(prefix).as_deref(), end);
        }
        assert_eq!(prefix_end("\u{10ffff}"), None);
    }
}
