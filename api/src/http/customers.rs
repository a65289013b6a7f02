//! Customers: create, list, count, show, their orders and their history.

pub mod limit;
#[cfg(test)]
mod tests;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use actors::{CustomerAnswer, NewCustomer};
use domain::customer::MAX_NAME_CHARS;
use domain::{CustomerId, Money};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::CommandHeaders;
use super::body::MAX_BODY_BYTES;
use super::commands::{self, Asked, Caller, Command, Doors, Takes};
use super::documents::{
    Customer, CustomerCount, CustomerDetails, Customers, Events, OrdersOfCustomer,
};
use super::fields::{Errors, Fields};
use super::meter::{Meter, Meters};
use super::params::{self, Params, path_id};
use super::prefer::Prefer;
use super::problem::refuse_other_methods;
use super::schema::params::{
    AsOfParams, CustomerParams, HistoryParams, KeyHeader, PageParams, ReadHeaders, StateParam,
};
use super::{Api, Problem, answer, history, reads, schema};
use crate::ports::CustomerQuery;

/// The routes below `/customers`.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/customers")
                .route(web::post().to(create))
                .route(reads::route().to(list))
                .default_service(refuse_other_methods("GET, HEAD, POST")),
        )
        // Before `/customers/{id}`, which would take `count` for an id.
        .service(
            web::resource("/customers/count")
                .route(reads::route().to(count))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/customers/{id}")
                .route(reads::route().to(show))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/customers/{id}/orders")
                .route(reads::route().to(orders))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/customers/{id}/credit-limit")
                .route(web::post().to(limit::correct))
                .default_service(refuse_other_methods("POST")),
        )
        .service(
            web::resource("/customers/{id}/history")
                .route(reads::route().to(events))
                .default_service(refuse_other_methods("GET, HEAD")),
        );
}

/// What became of a new customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerOutcome {
    #[schema(value_type = Uuid)]
    customer_id: CustomerId,
    version: u64,
}

/// The value of a new customer, to which an `Idempotency-Key` is bound.
#[derive(Serialize)]
struct Canonical<'a> {
    name: &'a str,
    credit_limit: Money,
}

/// Create a customer
#[utoipa::path(
    post, path = "/customers", operation_id = "createCustomer", tag = "customers",
    params(KeyHeader), request_body = schema::NewCustomer,
    responses((status = 201, body = CustomerOutcome)),
)]
pub async fn create(request: HttpRequest, api: Data<Api>, payload: Payload) -> HttpResponse {
    commands::run::<CreateCustomer>(request, api, payload).await
}

struct CreateCustomer(NewCustomer);

impl Command for CreateCustomer {
    const TAKES: Takes = Takes::Object(MAX_BODY_BYTES);

    type Effect = CustomerAnswer;

    fn meter(meters: &Meters) -> &Meter {
        &meters.create_customer
    }

    fn read(_: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem> {
        new_customer(body).map(CreateCustomer)
    }

    fn value(&self) -> impl Serialize {
        let CreateCustomer(customer) = self;
        Canonical {
            name: &customer.name,
            credit_limit: customer.credit_limit,
        }
    }

    async fn carry_out(self, doors: &Doors, by: Caller) -> Result<CustomerAnswer, Problem> {
        let CreateCustomer(customer) = self;
        Ok(doors
            .commands()
            .create_customer(customer, by.binding)
            .await?)
    }

    async fn answer(effect: CustomerAnswer, asked: &Asked<'_>) -> Result<HttpResponse, Problem> {
        let (customer_id, version) = (effect.entity.id, effect.entity.version);

        let headers = CommandHeaders {
            version,
            token: asked.api.ports.queries.token_of(&effect.seen),
            applied: Prefer::default(),
            location: Some(format!("/customers/{customer_id}")),
            saga: None,
            entity: customer_id.0,
        };

        Ok(headers.answer(
            StatusCode::CREATED,
            &CustomerOutcome {
                customer_id,
                version,
            },
        ))
    }
}

fn new_customer(mut fields: Fields<'_>) -> Result<NewCustomer, Problem> {
    let mut errors = Errors::default();
    let name = fields.text("name", MAX_NAME_CHARS, &mut errors);
    let credit_limit: Option<Money> = fields.required("creditLimit", &mut errors);
    if credit_limit.is_some_and(Money::is_negative) {
        errors.add("creditLimit", "must be 0 or more");
    }
    fields.finish(&["name", "creditLimit"], &mut errors);
    errors.finish(
        name.zip(credit_limit)
            .map(|(name, credit_limit)| NewCustomer { name, credit_limit }),
    )
}

/// Find customers
///
/// Newest first. They are found by name, by age, and by an order that is among all of theirs.
#[utoipa::path(
    get, path = "/customers", operation_id = "listCustomers", tag = "customers",
    params(CustomerParams, PageParams, ReadHeaders),
    responses((status = 200, body = Customers)),
)]
pub async fn list(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        let known = [
            "since",
            "name",
            "minOrderTotal",
            "orderState",
            "limit",
            "cursor",
        ];

        let mut params = Params::of(&request, &known);
        let query = CustomerQuery {
            since: params.time("since"),
            name: params.text("name", MAX_NAME_CHARS),
            min_order_total: params.money("minOrderTotal"),
            order_state: params.order_state("orderState"),
            page: params.page(),
        };

        let seal = params.seal();
        params.finish()?;
        let (freshness, applied) = reads::freshness(&request, &api)?;
        let read = |freshness| api.ports.queries.customers(query.clone(), freshness);

        let answer = reads::query(&api, freshness, read).await?;
        answer::query(&request, answer, applied, |listed| {
            Customers::new(listed.items, seal.put_on(listed.next))
        })
    };
    api.meters.list_customers.watch(&request, work).await
}

/// Count all customers
#[utoipa::path(
    get, path = "/customers/count", operation_id = "countCustomers", tag = "customers",
    params(ReadHeaders),
    responses((status = 200, body = CustomerCount)),
)]
pub async fn count(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        params::none(&request)?;
        let (freshness, applied) = reads::freshness(&request, &api)?;
        let answer = reads::query(&api, freshness, |freshness| {
            api.ports.queries.customer_count(freshness)
        })
        .await?;
        answer::query(&request, answer, applied, |count| CustomerCount { count })
    };
    api.meters.count_customers.watch(&request, work).await
}

/// Show a customer
///
/// With its newest 100 orders; or, from the history and without them, as it was at a version or a
/// time.
#[utoipa::path(
    get, path = "/customers/{id}", operation_id = "showCustomer", tag = "customers",
    params(("id" = Uuid, Path), AsOfParams, ReadHeaders),
    responses((status = 200, body = CustomerDetails)),
)]
pub async fn show(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        let id = path_id(&request)?;
        if let Some(point) = history::as_of(&request, "customer")? {
            let read = api.ports.history.customer_as_of(CustomerId(id), point);
            let customer = reads::run(&api, read).await?;
            let version = customer.version;
            return history::answer(
                (&request, &api),
                domain::CUSTOMERS,
                id,
                version,
                &Customer::from(customer),
            );
        }

        let (freshness, applied) = reads::freshness(&request, &api)?;
        let read = |freshness| api.ports.queries.customer(CustomerId(id), freshness);
        let answer = reads::query(&api, freshness, read).await?;

        answer::query(&request, answer, applied, CustomerDetails::from)
    };
    api.meters.show_customer.watch(&request, work).await
}

/// List a customer's orders
#[utoipa::path(
    get, path = "/customers/{id}/orders", operation_id = "listOrdersOfCustomer", tag = "customers",
    params(("id" = Uuid, Path), StateParam, PageParams, ReadHeaders),
    responses((status = 200, description = "Newest first", body = OrdersOfCustomer)),
)]
pub async fn orders(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = async {
        let id = path_id(&request)?;
        let mut params = Params::of(&request, &["state", "limit", "cursor"]);
        let state = params.order_state("state");
        let page = params.page();
        let seal = params.seal();
        params.finish()?;

        let (freshness, applied) = reads::freshness(&request, &api)?;
        let read = |freshness| {
            api.ports
                .queries
                .customer_orders(CustomerId(id), state, page.clone(), freshness)
        };

        let answer = reads::query(&api, freshness, read).await?;
        answer::query(&request, answer, applied, |listed| {
            OrdersOfCustomer::new(listed.items, seal.put_on(listed.next))
        })
    };
    api.meters.orders_of_customer.watch(&request, work).await
}

/// Show what has happened to a customer
#[utoipa::path(
    get, path = "/customers/{id}/history", operation_id = "showCustomerHistory", tag = "customers",
    params(("id" = Uuid, Path), HistoryParams),
    responses((status = 200, description = "Oldest first", body = Events)),
)]
pub async fn events(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let work = history::events(&request, &api, domain::CUSTOMERS);
    api.meters.customer_history.watch(&request, work).await
}
