//! The queries of the read side. Each walks an index, which it names, from the place of the cursor
//! and stops at the limit.

use domain::{CustomerId, OrderState};
use mongodb::bson::{Bson, Document, doc};

use super::indexes::{NEWEST_CUSTOMERS, NEWEST_ORDERS};
use super::{Names, READ_BOUND};
use crate::documents::CustomersQuery;
use crate::documents::cursor::Place;
use crate::shop::letters::fold;

/// A `find` command's parts; `explain` in tests takes them as well.
pub(super) struct Find {
    /// Which documents.
    pub filter: Document,
    /// Newest first.
    pub sort: Document,
    /// Which of their fields.
    pub projection: Document,
    /// The name of the index that is walked.
    pub hint: &'static str,
    /// One more than is shown, which tells whether there are more.
    pub limit: i64,
}

/// That a document is a customer: only its creation gives it this time.
pub(super) fn is_customer() -> Document {
    doc! {"createdAt": {"$gte": i64::MIN}}
}

/// The command that counts the customers, by the index alone.
pub(super) fn count(names: &Names) -> Document {
    let bound = i64::try_from(READ_BOUND.as_millis()).unwrap_or(i64::MAX);
    doc! {
        "count": &names.customers,
        "query": is_customer(),
        "hint": NEWEST_CUSTOMERS,
        "readConcern": {"level": "majority"},
        "maxTimeMS": bound,
    }
}

fn newest_first() -> Document {
    doc! {"createdAt": -1, "_id": -1}
}

/// Goes on behind a place. The bound on the time is what the index is entered by.
fn go_on(filter: &mut Document, times: &mut Document, after: Option<Place>) {
    if let Some(Place { created_at, id }) = after {
        times.insert("$lte", created_at);
        let behind = vec![
            doc! {"createdAt": {"$lt": created_at}},
            doc! {"_id": {"$lt": id.to_string()}},
        ];
        filter.insert("$or", behind);
    }
}

/// The customers a query asks for, one beyond its limit, as far as they themselves tell.
pub(super) fn customers(query: &CustomersQuery, after: Option<Place>) -> Find {
    let mut filter = Document::new();

    let mut times = match query.since {
        Some(since) => doc! {"$gt": since.micros()},
        None => doc! {"$gte": i64::MIN},
    };
    go_on(&mut filter, &mut times, after);

    filter.insert("createdAt", times);
    let words = query.name.as_deref().unwrap_or_default().split_whitespace();
    let words: Vec<Document> = words
        .map(|word| doc! {"nameFolded": {"$regex": literal(&fold(word))}})
        .collect();

    if !words.is_empty() {
        filter.insert("$and", words);
    }

    if let Some(total) = query.min_order_total {
        // An order's total never changes, so the largest one only grows; the orders themselves are
        // asked after it.
        filter.insert("largestOrder", doc! {"$gte": total.cents()});
    }

    Find {
        filter,
        sort: newest_first(),
        projection: doc! {"orders": 0},
        hint: NEWEST_CUSTOMERS,
        limit: i64::from(query.limit) + 1,
    }
}

/// A query goes through at most this many customers one by one. When there are more, and the page
/// is not full yet, it looks for at most this many orders first.
pub(super) const FEW: i64 = 1_000;

/// Counts the customers that a query would go through, one more than few at most.
pub(super) fn candidates(query: &CustomersQuery, after: Option<Place>) -> Vec<Document> {
    let Find { mut filter, .. } = customers(query, after);
    // Those of the very time of the cursor are counted as well: the index alone cannot tell them
    // apart.
    filter.remove("$or");
    let by_index_alone = doc! {"$project": {"_id": 1}};
    vec![
        doc! {"$match": filter},
        by_index_alone,
        doc! {"$limit": FEW + 1},
        doc! {"$count": "count"},
    ]
}

/// Who has the orders in a state that a query asks for, if these are few: one more than that is
/// counted at most. `None` when the query names no state; how large the largest order is the
/// customers tell themselves.
pub(super) fn orders_in_state(query: &CustomersQuery) -> Option<Vec<Document>> {
    let mut order = doc! {"state": query.order_state?.name()};
    if let Some(total) = query.min_order_total {
        order.insert("orderTotal.cents", doc! {"$gte": total.cents()});
    }
    Some(vec![
        doc! {"$match": order},
        doc! {"$limit": FEW + 1},
        doc! {"$group": {"_id": "$customerId", "orders": {"$sum": 1_i64}}},
    ])
}

/// Those of some customers that a query asks for.
pub(super) fn customers_among(
    query: &CustomersQuery,
    after: Option<Place>,
    ids: Vec<String>,
) -> Find {
    let mut find = customers(query, after);
    find.filter.insert("_id", doc! {"$in": ids});
    Find {
        hint: "_id_",
        ..find
    }
}

/// The same when many orders match, or few customers are asked for: goes from customer to customer,
/// newest first, with one look into an index of orders each, and stops when the page is full, or
/// it has looked at enough candidates.
pub(super) fn customers_with_order(
    names: &Names,
    query: &CustomersQuery,
    after: Option<Place>,
    candidates: Option<i64>,
) -> Vec<Document> {
    let Find {
        filter,
        sort,
        projection,
        limit,
        ..
    } = customers(query, after);

    let mut order = doc! {"state": {"$in": states(query.order_state)}};
    if let Some(total) = query.min_order_total {
        order.insert("orderTotal.cents", doc! {"$gte": total.cents()});
    }

    let matching = doc! {
        "from": &names.orders,
        "localField": "_id",
        "foreignField": "customerId",
        "pipeline": [{"$match": order}, {"$limit": 1}, {"$project": {"_id": 1}}],
        "as": "matching",
    };

    let mut stages = vec![doc! {"$match": filter}, doc! {"$sort": sort}];
    stages.extend(candidates.map(|most| doc! {"$limit": most}));

    stages.extend([
        doc! {"$project": projection},
        doc! {"$lookup": matching},
        doc! {"$match": {"matching": {"$ne": []}}},
        doc! {"$limit": limit},
        doc! {"$project": {"matching": 0}},
    ]);

    stages
}

/// The newest orders of a customer; those in any state are merged from the six.
pub(super) fn orders_of(
    customer: CustomerId,
    state: Option<OrderState>,
    after: Option<Place>,
    limit: i64,
) -> Find {
    let mut filter = doc! {"customerId": customer.to_string(), "state": {"$in": states(state)}};
    let mut times = doc! {"$gte": i64::MIN};
    go_on(&mut filter, &mut times, after);
    filter.insert("createdAt", times);

    Find {
        filter,
        sort: newest_first(),
        projection: doc! {"lines": 0, "note": 0},
        hint: NEWEST_ORDERS,
        limit,
    }
}

fn states(state: Option<OrderState>) -> Vec<Bson> {
    let states: &[OrderState] = state
        .as_ref()
        .map_or(&OrderState::ALL, std::slice::from_ref);
    states.iter().map(|state| state.name().into()).collect()
}

/// A regular expression that matches this text alone.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            // Where the pattern would end.
            '\0' => pattern.push_str("\\x00"),
            _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => {
                pattern.extend(['\\', letter])
            }
            _ => pattern.push(letter),
        }
    }
    pattern
}
