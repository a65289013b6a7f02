//! A checked query in tantivy's terms.

use std::ops::Bound;

use domain::Money;
use tantivy::Term as IndexTerm;
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, EmptyQuery, Occur, PhraseQuery, Query, RangeQuery,
    TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use super::deadline::Deadline;
use super::phrase_prefix::PhrasePrefix;
use super::prefix::Prefix;
use super::schema::Fields;
use super::word_points::WordPoints;
use crate::search::points::PREFIX_POINTS;
use crate::search::query::Prepared;
use crate::search::text::Term;

/// Which documents match, and how well.
pub(super) struct Lookup {
    pub(super) query: Box<dyn Query>,
    /// Every document matches.
    pub(super) is_everything: bool,
}

impl Lookup {
    pub(super) fn new(fields: &Fields, query: &Prepared, deadline: Deadline) -> Self {
        let mut clauses: Vec<Box<dyn Query>> = Vec::new();

        if let Some(terms) = &query.terms {
            if terms.is_empty() {
                return Lookup {
                    query: Box::new(EmptyQuery),
                    is_everything: false,
                };
            }
            clauses.extend(
                terms
                    .iter()
                    .map(|term| text_clause(fields, term, query.is_scored(), deadline)),
            );
        }

        clauses.extend(filters(fields, query));

        if clauses.is_empty() {
            return Lookup {
                query: Box::new(AllQuery),
                is_everything: true,
            };
        }

        let query = if clauses.len() == 1 {
            clauses.swap_remove(0)
        } else {
            Box::new(BooleanQuery::intersection(clauses))
        };

        Lookup {
            query,
            is_everything: false,
        }
    }
}

/// The conditions besides the text. They add nothing to the score.
fn filters(fields: &Fields, query: &Prepared) -> Vec<Box<dyn Query>> {
    let totals = range(
        fields.total,
        query.min_total.map(Money::cents),
        query.max_total.map(Money::cents),
    );

    let times = range(
        fields.created,
        query.since.map(|time| time.micros()),
        query.until.map(|time| time.micros()),
    );

    let clauses: [Option<Box<dyn Query>>; 4] = [
        query.state.map(|state| exactly(fields.state_term(state))),
        query
            .customer_id
            .map(|customer| exactly(fields.customer_term(customer))),
        totals,
        times,
    ];
    clauses.into_iter().flatten().map(unscored).collect()
}

fn exactly(term: IndexTerm) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn unscored(clause: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(clause, 0.0))
}

/// Both bounds inclusive; `None` when there is neither.
fn range(field: Field, from: Option<i64>, to: Option<i64>) -> Option<Box<dyn Query>> {
    let bound = |value: Option<i64>| match value {
        Some(value) => Bound::Included(IndexTerm::from_field_i64(field, value)),
        None => Bound::Unbounded,
    };
    if from.is_none() && to.is_none() {
        return None;
    }
    Some(Box::new(RangeQuery::new(bound(from), bound(to))))
}

fn text_clause(fields: &Fields, term: &Term, scored: bool, deadline: Deadline) -> Box<dyn Query> {
    let words: Vec<IndexTerm> = term
        .singulars
        .iter()
        .map(|word| fields.word_term(word))
        .collect();

    let Some(prefix) = &term.prefix else {
        return words_clause(words, scored);
    };

    let mut head = words.clone();
    head.pop();

    let prefix_clause: Box<dyn Query> = if head.is_empty() {
        Box::new(Prefix {
            field: fields.text,
            prefix: prefix.clone(),
            deadline,
        })
    } else {
        Box::new(PhrasePrefix {
            field: fields.text,
            head,
            prefix: prefix.clone(),
            deadline,
        })
    };

    let prefix_clause = Box::new(ConstScoreQuery::new(
        prefix_clause,
        f32::from(PREFIX_POINTS),
    ));
    // A prefix finds at least what the word alone finds.
    Box::new(BooleanQuery::new(vec![
        (Occur::Should, words_clause(words, scored)),
        (Occur::Should, prefix_clause),
    ]))
}

/// A word, or a phrase; scored with the points of the words.
fn words_clause(mut words: Vec<IndexTerm>, scored: bool) -> Box<dyn Query> {
    match words.pop() {
        Some(word) if words.is_empty() && scored => Box::new(WordPoints { word }),
        Some(word) if words.is_empty() => exactly(word),
        Some(last) => {
            words.push(last);

            let phrase = Box::new(PhraseQuery::new(words.clone()));
            if !scored {
                return phrase;
            }

            let points = words
                .into_iter()
                .map(|word| -> Box<dyn Query> { Box::new(WordPoints { word }) });

            Box::new(BooleanQuery::intersection(
                [unscored(phrase)].into_iter().chain(points).collect(),
            ))
        }
        None => Box::new(EmptyQuery),
    }
}
