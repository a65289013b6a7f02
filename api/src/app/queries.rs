//! Answers queries from the views: each waits for what its caller has seen, then reads, and says
//! what it has shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::Seen;
use domain::{CustomerId, OrderId, OrderState};
use projections::documents::{self, CustomerOrdersQuery, CustomersQuery};
use projections::search::{self, Highlights, SearchQuery};
use projections::views::{Awaited, OpenGeneration, View};
use projections::waiting::Mark;
use projections::{
    ConsistencyToken, CustomerDocument, CustomerOrder, OrderDocument, Projection, ViewError, Views,
};
use store::Positions;
use tokio::time::Instant;

use super::shown::ShownViews;
use crate::ports::{
    Behind, CustomerQuery, CustomerWithOrders, Freshness, Listed, OrderHit, OrderQuery, OrderSort,
    OrdersFound, Page, Queries, QueryFuture, ReadError, ReadFuture, ViewAnswer,
};

/// How many orders a customer's document shows.
const NEWEST_ORDERS: u16 = 100;

pub(super) struct ViewQueries {
    views: Arc<Views>,
    shown: ShownViews,
}

impl ViewQueries {
    pub(super) fn new(views: Arc<Views>, shown: ShownViews) -> Self {
        ViewQueries { views, shown }
    }

    /// What the caller has seen, by the tokens that it sends.
    fn seen(&self, freshness: &Freshness) -> Result<ConsistencyToken, ReadError> {
        if freshness.tokens.is_empty() {
            return Ok(ConsistencyToken::new());
        }

        let read = self.views.read_token(&freshness.tokens.join(","));
        read.map_err(|error| match error {
            ViewError::ForeignToken => ReadError::ForeignToken,
            _ => ReadError::InvalidToken,
        })
    }

    /// Takes the generation that answers and waits for it; the rest is to read from it, and to put
    /// together the token of the answer.
    fn answer<'a, P: Projection, S: 'a, T: 'a>(
        &'a self,
        view: impl FnOnce(&'a ShownViews) -> Result<&'a View<P>, ReadError> + 'a,
        freshness: Freshness,
        read: impl AsyncFn(Arc<P::Reader>) -> Result<S, ViewError> + 'a,
        show: impl FnOnce(S) -> Result<(T, Positions), ReadError> + 'a,
    ) -> QueryFuture<'a, T> {
        Box::pin(async move {
            let token = self.seen(&freshness)?;
            let view = view(&self.shown)?;
            let mut ready = wait(view, &token, &freshness).await?;

            let reading: ReadFuture<'a, ViewAnswer<T>> = Box::pin(async move {
                let until = Instant::now() + freshness.wait;
                let seen = loop {
                    let error = match ready.generation.read(&read).await {
                        Ok(seen) => break seen,
                        Err(error) => error,
                    };
                    if !view.is_given_up(&ready.generation, until).await {
                        return Err(read_error(error));
                    }
                    // Its data may have gone with it while it was read.
                    ready = wait(view, &token, &freshness).await?;
                };

                let (data, positions) = show(seen)?;
                let token = self.views.token_text(&ConsistencyToken::at(&positions));
                let stale = ready.stale;
                Ok(ViewAnswer { data, token, stale })
            });
            Ok(reading)
        })
    }
}

/// A generation that a query may read from.
struct Ready<P: Projection> {
    generation: Arc<OpenGeneration<P>>,
    /// It has not reached what the caller has seen, and the caller does not mind.
    stale: bool,
}

async fn wait<P: Projection>(
    view: &View<P>,
    token: &ConsistencyToken,
    freshness: &Freshness,
) -> Result<Ready<P>, ReadError> {
    if token.is_empty() {
        let generation = view.current().map_err(read_error)?;
        return Ok(Ready {
            generation,
            stale: false,
        });
    }

    let awaited = view.await_token(token, freshness.wait).await;
    let Awaited {
        generation,
        outcome,
    } = awaited.map_err(read_error)?;

    let stale = match outcome {
        Ok(()) => false,
        // A view that takes in nothing at present may still answer.
        Err(ViewError::Behind { .. } | ViewError::Unavailable { .. }) if freshness.lenient => true,
        Err(error) => return Err(read_error(error)),
    };
    Ok(Ready { generation, stale })
}

/// What a caller hears of an error of a view; the log has the rest.
fn read_error(error: ViewError) -> ReadError {
    match error {
        ViewError::Behind { view, behind } => {
            let pairs = behind.required.into_iter().zip(behind.reached);
            ReadError::ViewBehind {
                view: view.to_owned(),
                behind: pairs.map(shown_behind).collect(),
            }
        }
        ViewError::InvalidQuery {
            field: "cursor", ..
        } => ReadError::InvalidCursor,
        ViewError::InvalidQuery { field, message } => ReadError::InvalidQuery { field, message },
        // The view's supervisor has told why, once.
        ViewError::Damaged { view, .. } => ReadError::Rebuilding {
            view: view.to_owned(),
        },
        ViewError::TimedOut { view, .. } => {
            tracing::warn!(error = %error, view, "a query is not answered");
            ReadError::TimedOut {
                view: view.to_owned(),
            }
        }
        ViewError::Unavailable { view, .. }
        | ViewError::Panicked { view, .. }
        | ViewError::Foreign { view, .. }
        | ViewError::Closed { view }
        | ViewError::NotReady { view } => {
            tracing::warn!(error = %error, view, "a query is not answered");
            ReadError::Unavailable {
                view: view.to_owned(),
            }
        }
        error => {
            tracing::error!(error = %error, "a query failed");
            ReadError::Failed
        }
    }
}

fn shown_behind((required, reached): (Mark, Mark)) -> Behind {
    let reached = match reached {
        Mark::Entity { version, .. } => version,
        Mark::Position { sequence, .. } => sequence,
    };
    match required {
        Mark::Entity {
            service,
            entity,
            version,
        } => Behind {
            what: format!("{service}/{entity}"),
            required: version,
            reached,
        },
        Mark::Position { shard, sequence } => Behind {
            what: shard.to_string(),
            required: sequence,
            reached,
        },
    }
}

fn listed<T>(page: documents::Page<T>) -> Listed<T> {
    Listed {
        items: page.items,
        next: page.next,
    }
}

fn limit(page: &Page) -> u16 {
    u16::try_from(page.limit).unwrap_or(u16::MAX)
}

fn highlights(found: Highlights) -> BTreeMap<String, Vec<String>> {
    let fields = [
        ("lines", found.lines),
        ("note", found.note),
        ("customerName", found.customer_name),
    ];
    fields
        .into_iter()
        .filter(|(_, texts)| !texts.is_empty())
        .map(|(name, texts)| (name.to_owned(), texts))
        .collect()
}

fn search_query(query: OrderQuery) -> SearchQuery {
    SearchQuery {
        text: query.text,
        state: query.state,
        customer_id: query.customer_id,
        min_total: query.min_total,
        max_total: query.max_total,
        since: query.since,
        until: query.until,
        sort: Some(match query.sort {
            OrderSort::Relevance => search::Sort::Relevance,
            OrderSort::Newest => search::Sort::Newest,
            OrderSort::Total => search::Sort::Total,
        }),
        limit: query.page.limit,
        cursor: query.page.cursor,
    }
}

impl Queries for ViewQueries {
    fn token_of(&self, seen: &[Seen]) -> String {
        let mut token = ConsistencyToken::new();
        for Seen {
            service,
            entity,
            version,
        } in seen
        {
            token.see_entity(*service, *entity, *version);
        }
        self.views.token_text(&token)
    }

    fn customer(
        &self,
        id: CustomerId,
        freshness: Freshness,
    ) -> QueryFuture<'_, CustomerWithOrders> {
        self.answer(
            ShownViews::documents,
            freshness,
            async move |reader| reader.customer(id, NEWEST_ORDERS).await,
            |seen| {
                let found = seen.value.ok_or(ReadError::NotFound("customer"))?;
                let shown = CustomerWithOrders {
                    customer: found.customer,
                    orders: found.orders,
                };
                Ok((shown, seen.positions))
            },
        )
    }

    fn customers(
        &self,
        query: CustomerQuery,
        freshness: Freshness,
    ) -> QueryFuture<'_, Listed<CustomerDocument>> {
        let query = CustomersQuery {
            since: query.since,
            name: query.name,
            min_order_total: query.min_order_total,
            order_state: query.order_state,
            limit: limit(&query.page),
            cursor: query.page.cursor,
        };

        self.answer(
            ShownViews::documents,
            freshness,
            async move |reader| reader.customers(query.clone()).await,
            |seen| Ok((listed(seen.value), seen.positions)),
        )
    }

    fn customer_count(&self, freshness: Freshness) -> QueryFuture<'_, u64> {
        self.answer(
            ShownViews::documents,
            freshness,
            async |reader| reader.count_customers().await,
            |seen| Ok((seen.value, seen.positions)),
        )
    }

    fn customer_orders(
        &self,
        id: CustomerId,
        state: Option<OrderState>,
        page: Page,
        freshness: Freshness,
    ) -> QueryFuture<'_, Listed<CustomerOrder>> {
        let query = CustomerOrdersQuery {
            state,
            limit: limit(&page),
            cursor: page.cursor,
        };

        self.answer(
            ShownViews::documents,
            freshness,
            async move |reader| reader.customer_orders(id, query.clone()).await,
            |seen| {
                let found = seen.value.ok_or(ReadError::NotFound("customer"))?;
                Ok((listed(found), seen.positions))
            },
        )
    }

    fn order(&self, id: OrderId, freshness: Freshness) -> QueryFuture<'_, OrderDocument> {
        self.answer(
            ShownViews::documents,
            freshness,
            async move |reader| reader.order(id).await,
            |seen| {
                let found = seen.value.ok_or(ReadError::NotFound("order"))?;
                Ok((found, seen.positions))
            },
        )
    }

    fn orders(&self, query: OrderQuery, freshness: Freshness) -> QueryFuture<'_, OrdersFound> {
        let query = search_query(query);

        self.answer(
            ShownViews::search,
            freshness,
            async move |reader| reader.search(query.clone()).await,
            |page| {
                let hits = page.hits.into_iter().map(|hit| OrderHit {
                    order: hit.document,
                    score: hit.score,
                    highlights: hit.highlights.map(highlights),
                });
                let listed = Listed {
                    items: hits.collect(),
                    next: page.next,
                };

                let found = OrdersFound {
                    listed,
                    total: page.total,
                };
                Ok((found, page.positions))
            },
        )
    }
}
