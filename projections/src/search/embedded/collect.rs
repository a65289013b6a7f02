//! Finds the hits of one page, and counts all.
//!
//! Sorting is by columns, segment by segment; the page's worst hit so far keeps most documents from
//! being looked at closer than by their rank. Segments that cannot hold a hit of the page are only
//! counted. Orders come in roughly by creation time, so the newest ones are mostly in one small
//! segment.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use tantivy::columnar::ColumnValues;
use tantivy::query::{EnableScoring, Weight};
use tantivy::{
    COLLECT_BLOCK_BUFFER_LEN, DocAddress, DocId, SegmentOrdinal, SegmentReader, TERMINATED,
};

use super::deadline::Deadline;
use super::lookup::Lookup;
use super::snapshot::{Columns, Snapshot};
use crate::search::points::rank_of;
use crate::search::query::{Prepared, Sort, SortKey};

/// The hits of a page, in order, and how many documents match in all.
pub(super) struct Found {
    pub(super) hits: Vec<(SortKey, DocAddress)>,
    pub(super) has_more: bool,
    pub(super) total: u64,
}

pub(super) fn collect(
    snapshot: &Snapshot,
    lookup: &Lookup,
    query: &Prepared,
    deadline: Deadline,
) -> tantivy::Result<Found> {
    let mut page = Page {
        limit: query.limit + 1,
        after: query.after,
        hits: BinaryHeap::new(),
    };

    let scored = query.is_scored();
    let scoring = if scored {
        EnableScoring::enabled_from_searcher(&snapshot.searcher)
    } else {
        EnableScoring::disabled_from_searcher(&snapshot.searcher)
    };
    let weight = lookup.query.weight(scoring)?;
    let mut total = 0;

    for (number, reader, columns) in best_first(snapshot, query.sort) {
        let segment = Segment {
            number,
            reader,
            columns,
            deadline,
        };
        deadline.check()?;
        total += if scored {
            segment.collect_by_score(weight.as_ref(), &mut page)?
        } else {
            let ranks = if query.sort == Sort::Total {
                &columns.total
            } else {
                &columns.created
            };
            if page.may_take(ranks.min_value(), ranks.max_value()) {
                segment.collect_by_column(weight.as_ref(), ranks, &mut page)?
            } else if lookup.is_everything {
                u64::from(reader.num_docs())
            } else {
                u64::from(weight.count(reader)?)
            }
        };
    }

    let mut hits: Vec<_> = page.hits.into_iter().map(|Reverse(hit)| hit).collect();
    hits.sort_unstable_by_key(|hit| Reverse(hit.0));
    let has_more = hits.len() > query.limit;
    hits.truncate(query.limit);

    Ok(Found {
        hits,
        has_more,
        total,
    })
}

/// The segments, those with the highest ranks first.
fn best_first(snapshot: &Snapshot, sort: Sort) -> Vec<(SegmentOrdinal, &SegmentReader, &Columns)> {
    let mut segments: Vec<_> = snapshot.segments().collect();
    segments.sort_by_key(|(_, _, columns)| {
        Reverse(if sort == Sort::Total {
            columns.total.max_value()
        } else {
            columns.created.max_value()
        })
    });
    segments
}

/// The best hits so far.
struct Page {
    /// One more than the page has, to know whether there is a next one.
    limit: usize,
    after: Option<SortKey>,
    hits: BinaryHeap<Reverse<(SortKey, DocAddress)>>,
}

impl Page {
    fn worst(&self) -> Option<&SortKey> {
        if self.hits.len() < self.limit {
            None
        } else {
            self.hits.peek().map(|Reverse((key, _))| key)
        }
    }

    /// Whether a document with a rank in this range may be on the page.
    fn may_take(&self, lowest: i64, highest: i64) -> bool {
        self.worst().is_none_or(|worst| highest >= worst.rank)
            && self.after.is_none_or(|after| lowest <= after.rank)
    }

    fn offer(&mut self, key: SortKey, address: DocAddress) {
        if self.after.is_some_and(|after| key >= after)
            || self.worst().is_some_and(|worst| key <= *worst)
        {
            return;
        }
        if self.hits.len() == self.limit {
            self.hits.pop();
        }
        self.hits.push(Reverse((key, address)));
    }
}

struct Segment<'a> {
    number: SegmentOrdinal,
    reader: &'a SegmentReader,
    columns: &'a Columns,
    deadline: Deadline,
}

impl Segment<'_> {
    /// The number of matches.
    fn collect_by_score(&self, weight: &dyn Weight, page: &mut Page) -> tantivy::Result<u64> {
        let alive = self.reader.alive_bitset();
        let mut scorer = weight.scorer(self.reader, 1.0)?;
        let mut count = 0;
        let mut seen = 0_usize;

        while scorer.doc() != TERMINATED {
            let doc = scorer.doc();
            if alive.is_none_or(|alive| alive.is_alive(doc)) {
                count += 1;
                self.offer(page, rank_of(scorer.score()), doc);
            }
            seen += 1;
            if seen.is_multiple_of(COLLECT_BLOCK_BUFFER_LEN) {
                self.deadline.check()?;
            }
            scorer.advance();
        }

        Ok(count)
    }

    /// The number of matches.
    fn collect_by_column(
        &self,
        weight: &dyn Weight,
        ranks: &Arc<dyn ColumnValues<i64>>,
        page: &mut Page,
    ) -> tantivy::Result<u64> {
        let alive = self.reader.alive_bitset();
        let mut scorer = weight.scorer(self.reader, 1.0)?;
        let mut docs = [0; COLLECT_BLOCK_BUFFER_LEN];
        let mut values = [0_i64; COLLECT_BLOCK_BUFFER_LEN];
        let mut count = 0;

        loop {
            let filled = scorer.fill_buffer(&mut docs);
            if let (Some(docs), Some(values)) = (docs.get(..filled), values.get_mut(..filled)) {
                ranks.get_vals(docs, values);
                for (doc, rank) in docs.iter().zip(values.iter()) {
                    if alive.is_none_or(|alive| alive.is_alive(*doc)) {
                        count += 1;
                        self.offer(page, *rank, *doc);
                    }
                }
            }
            if filled < docs.len() {
                return Ok(count);
            }
            self.deadline.check()?;
        }
    }

    fn offer(&self, page: &mut Page, rank: i64, doc: DocId) {
        if !page.may_take(rank, rank) {
            return;
        }

        let created = self.columns.created.get_val(doc);

        if page
            .worst()
            .is_some_and(|worst| (rank, created) < (worst.rank, worst.created))
        {
            return;
        }

        let key = SortKey {
            rank,
            created,
            id: self.columns.id(doc),
        };
        page.offer(key, DocAddress::new(self.number, doc));
    }
}
