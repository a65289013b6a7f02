//! Orders: the queries. [`commands`] has the commands; `body` says what a new order must look like.

mod body;
pub mod commands;
#[cfg(test)]
mod tests;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use domain::{CustomerId, OrderId};

use super::cursor::Seal;
use super::documents::{Events, Order, Orders};
use super::params::{Params, path_id};
use super::problem::refuse_other_methods;
use super::schema::params::{AsOfParams, HistoryParams, OrderParams, PageParams, ReadHeaders};
use super::{Api, Problem, answer, history, reads};
use crate::ports::{OrderQuery, OrderSort};

/// A search text has at most this many characters.
const MAX_TEXT_CHARS: usize = 1_000;

const LIST_PARAMS: &[&str] = &[
    "text",
    "state",
    "customerId",
    "minTotal",
    "maxTotal",
    "since",
    "until",
    "sort",
    "limit",
    "cursor",
];

/// The routes below `/orders`.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/orders")
                .route(web::post().to(commands::create))
                .route(reads::route().to(list))
                .default_service(refuse_other_methods("GET, HEAD, POST")),
        )
        .service(
            web::resource("/orders/{id}")
                .route(reads::route().to(show))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/orders/{id}/cancel")
                .route(web::post().to(commands::cancel))
                .default_service(refuse_other_methods("POST")),
        )
        .service(
            web::resource("/orders/{id}/ship")
                .route(web::post().to(commands::ship))
                .default_service(refuse_other_methods("POST")),
        )
        .service(
            web::resource("/orders/{id}/history")
                .route(reads::route().to(events))
                .default_service(refuse_other_methods("GET, HEAD")),
        );
}

/// Find orders
///
/// By any combination of text, state, customer, total and time. Bounds are inclusive.
#[utoipa::path(
    get, path = "/orders", operation_id = "listOrders", tag = "orders",
    params(OrderParams, PageParams, ReadHeaders),
    responses((status = 200, body = Orders)),
)]
pub async fn list(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        let (query, seal) = order_query(&request)?;
        let (freshness, applied) = reads::freshness(&request, &api)?;
        let read = |freshness| api.ports.queries.orders(query.clone(), freshness);
        let answer = reads::query(&api, freshness, read).await?;
        answer::query(&request, answer, applied, |found| {
            let next = seal.put_on(found.listed.next);
            Orders::new(found.listed.items, found.total, next)
        })
    };
    api.meters.list_orders.watch(&request, work).await
}

fn order_query(request: &HttpRequest) -> Result<(OrderQuery, Seal), Problem> {
    let mut params = Params::of(request, LIST_PARAMS);
    let text = params.text("text", MAX_TEXT_CHARS);

    let sort = params.named("sort", &OrderSort::ALL, OrderSort::name);
    if sort == Some(OrderSort::Relevance) && text.is_none() {
        params.add_error(
            "sort",
            "can be relevance only with a text; allowed without: newest, total",
        );
    }

    let by_default = if text.is_some() {
        OrderSort::Relevance
    } else {
        OrderSort::Newest
    };

    let query = OrderQuery {
        text,
        state: params.order_state("state"),
        customer_id: params.uuid("customerId").map(CustomerId),
        min_total: params.money("minTotal"),
        max_total: params.money("maxTotal"),
        since: params.time("since"),
        until: params.time("until"),
        sort: sort.unwrap_or(by_default),
        page: params.page(),
    };

    let seal = params.seal();
    params.finish()?;

    Ok((query, seal))
}

/// Show an order
///
/// As the view shows it, or, from the history, as it was at a version or a time.
#[utoipa::path(
    get, path = "/orders/{id}", operation_id = "showOrder", tag = "orders",
    params(("id" = Uuid, Path), AsOfParams, ReadHeaders),
    responses((status = 200, body = Order)),
)]
pub async fn show(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        let id = path_id(&request)?;
        if let Some(point) = history::as_of(&request, "order")? {
            let read = api.ports.history.order_as_of(OrderId(id), point);
            let order = reads::run(&api, read).await?;
            let version = order.version;
            return history::answer(
                (&request, &api),
                domain::ORDERS,
                id,
                version,
                &Order::from(order),
            );
        }

        let (freshness, applied) = reads::freshness(&request, &api)?;
        let read = |freshness| api.ports.queries.order(OrderId(id), freshness);
        let answer = reads::query(&api, freshness, read).await?;

        answer::query(&request, answer, applied, Order::from)
    };
    api.meters.show_order.watch(&request, work).await
}

/// Show what has happened to an order
#[utoipa::path(
    get, path = "/orders/{id}/history", operation_id = "showOrderHistory", tag = "orders",
    params(("id" = Uuid, Path), HistoryParams),
    responses((status = 200, description = "Oldest first", body = Events)),
)]
pub async fn events(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = history::events(&request, &api, domain::ORDERS);
    api.meters.order_history.watch(&request, work).await
}
