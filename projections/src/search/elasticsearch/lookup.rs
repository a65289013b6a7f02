//! A checked query as Elasticsearch's JSON. Words enter it as values of terms, never as syntax.

use domain::Money;
use serde_json::{Map, Value, json};

use super::document::digit_term;
use crate::search::TIME_LIMIT;
use crate::search::points::{POINT_BITS, PREFIX_POINTS, score_of};
use crate::search::query::{Prepared, Sort};
use crate::search::text::Term;

/// The body of the search for one page, with one hit more to know whether there is a next one.
pub(super) fn search_body(query: &Prepared) -> Value {
    let mut body = json!({
        "query": matching(query),
        "sort": sort(query),
        "size": query.limit + 1,
        "track_total_hits": true,
        "timeout": format!("{}ms", TIME_LIMIT.as_millis()),
        "_source": ["document"],
    });
    if let (Some(after), Some(body)) = (after(query), body.as_object_mut()) {
        body.insert("search_after".to_owned(), after);
    }
    body
}

fn matching(query: &Prepared) -> Value {
    let mut filters = filters(query);
    let mut points = Vec::new();

    if let Some(terms) = &query.terms {
        if terms.is_empty() {
            return json!({ "match_none": {} });
        }
        filters.extend(terms.iter().map(text_clause));
        if query.is_scored() {
            points.extend(terms.iter().flat_map(points_of));
        }
    }

    if filters.is_empty() {
        return json!({ "match_all": {} });
    }
    // With a filter, nothing that gives points need match.
    json!({ "bool": { "filter": filters, "should": points } })
}

/// The conditions besides the text.
fn filters(query: &Prepared) -> Vec<Value> {
    let totals = range(
        "total",
        query.min_total.map(Money::cents),
        query.max_total.map(Money::cents),
    );

    let times = range(
        "created",
        query.since.map(|time| time.micros()),
        query.until.map(|time| time.micros()),
    );

    let state = query.state.map(|state| term("state", state.name()));

    let customer = query
        .customer_id
        .map(|customer| term("customer", &customer.0.to_string()));

    [state, customer, totals, times]
        .into_iter()
        .flatten()
        .collect()
}

fn term(field: &str, value: &str) -> Value {
    json!({ "term": { field: value } })
}

/// Both bounds inclusive; `None` when there is neither.
fn range(field: &str, from: Option<i64>, to: Option<i64>) -> Option<Value> {
    let bounds = [("gte", from), ("lte", to)].into_iter();
    let bounds: Map<String, Value> = bounds
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))))
        .collect();
    (!bounds.is_empty()).then(|| json!({ "range": { field: bounds } }))
}

/// What a document must have for a term.
fn text_clause(term: &Term) -> Value {
    match &term.prefix {
        None => words_clause(&term.singulars),
        // A prefix finds at least what the word alone finds.
        Some(prefix) => any_of([words_clause(&term.singulars), prefix_clause(term, prefix)]),
    }
}

fn any_of(clauses: impl Into<Vec<Value>>) -> Value {
    json!({ "bool": { "should": clauses.into() } })
}

fn words_clause(singulars: &[String]) -> Value {
    match singulars {
        [word] => term("singulars", word),
        words => json!({ "match_phrase": { "singulars": words.join(" ") } }),
    }
}

/// The last word begins like this as it is written, or its singular does; the words before it stand
/// before it.
fn prefix_clause(term: &Term, prefix: &str) -> Value {
    let head = term
        .singulars
        .split_last()
        .map_or(&[][..], |(_, head)| head);

    if head.is_empty() {
        return any_of(["singulars", "words"].map(|field| json!({ "prefix": { field: prefix } })));
    }
    // Unlike a phrase with a prefix, intervals leave out no word that has the prefix: they refuse
    // what fits too many.
    let head = head
        .iter()
        .map(|word| json!({ "match": { "query": word, "analyzer": "keyword" } }));

    let written = json!({ "prefix": { "prefix": prefix, "use_field": "words" } });
    let last = json!({ "any_of": { "intervals": [{ "prefix": { "prefix": prefix } }, written] } });
    let words: Vec<Value> = head.chain([last]).collect();
    json!({ "intervals": { "singulars": { "all_of": { "ordered": true, "max_gaps": 0, "intervals": words } } } })
}

/// The clauses that add up to the points of a term, as [`points`](crate::search::points) has them.
fn points_of(term: &Term) -> Vec<Value> {
    let words = term.singulars.iter().flat_map(|word| word_points(word));
    let Some(prefix) = &term.prefix else {
        return words.collect();
    };

    let prefix = constant(prefix_clause(term, prefix), PREFIX_POINTS);
    if term.singulars.len() == 1 {
        return words.chain([prefix]).collect();
    }
    // The words may be in the document without standing one after the other; then they do not
    // count.
    let digits: Vec<Value> = words.collect();

    vec![
        json!({ "bool": { "filter": words_clause(&term.singulars), "should": digits } }),
        prefix,
    ]
}

fn word_points(word: &str) -> impl Iterator<Item = Value> {
    (0..POINT_BITS).map(move |digit| constant(term("points", &digit_term(digit, word)), 1 << digit))
}

fn constant(filter: Value, points: u8) -> Value {
    json!({ "constant_score": { "filter": filter, "boost": points } })
}

/// The parts of the [`SortKey`](crate::search::query::SortKey), in its order. The text of an id
/// sorts like the number.
fn sort(query: &Prepared) -> Value {
    match query.sort {
        Sort::Relevance if query.is_scored() => {
            json!([{ "_score": "desc" }, { "created": "desc" }, { "id": "desc" }])
        }
        Sort::Total => json!([{ "total": "desc" }, { "created": "desc" }, { "id": "desc" }]),
        Sort::Relevance | Sort::Newest => json!([{ "created": "desc" }, { "id": "desc" }]),
    }
}

fn after(query: &Prepared) -> Option<Value> {
    let after = query.after?;
    let id = uuid::Uuid::from_u128(after.id).to_string();
    Some(match query.sort {
        Sort::Relevance if query.is_scored() => json!([score_of(after.rank), after.created, id]),
        Sort::Total => json!([after.rank, after.created, id]),
        Sort::Relevance | Sort::Newest => json!([after.created, id]),
    })
}
