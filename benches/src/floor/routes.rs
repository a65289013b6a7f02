//! The HTTP side of a floor: four calls of the public contract, as far as the load generator uses
//! them. What stands behind them is the floor's own ([`Backend`]).

use actix_web::http::header::HeaderMap;
use actix_web::web::{self, Bytes, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use domain::Money;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::messages::OrderOutcome;
use super::reader::{CustomerDocument, OrderDocument};

/// What the handlers of one HTTP thread ask. `None` for what is to be created: the floor is ending.
pub trait Backend: 'static {
    /// Creates a customer; answers when it is durable.
    fn create_customer(&self, name: String, limit: Money) -> impl Future<Output = Option<Uuid>>;

    /// Creates an order; answers when it is durable, or when its saga has ended.
    fn create_order(&self, order: NewOrder) -> impl Future<Output = Option<OrderOutcome>>;

    /// Reads a customer.
    fn customer(&self, id: Uuid) -> impl Future<Output = anyhow::Result<Option<CustomerDocument>>>;

    /// Reads an order.
    fn order(&self, id: Uuid) -> impl Future<Output = anyhow::Result<Option<OrderDocument>>>;
}

/// An order that somebody wants.
#[derive(Debug)]
pub struct NewOrder {
    /// Whose credit it needs.
    pub customer: Uuid,
    /// What it reserves.
    pub total: Money,
    /// The lines as JSON.
    pub lines: Option<String>,
    /// What the caller wants to be kept with it.
    pub note: Option<String>,
    /// Answered at the saga's end, or as soon as the order is there.
    pub wait: bool,
}

/// The routes, answered by a `B` among the application's data.
pub fn configure<B: Backend>(routes: &mut ServiceConfig) {
    routes
        .route("/orders", web::post().to(create_order::<B>))
        .route("/customers", web::post().to(create_customer::<B>))
        .route("/orders/{id}", web::get().to(get_order::<B>))
        .route("/customers/{id}", web::get().to(get_customer::<B>));
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateCustomer {
    name: String,
    credit_limit: Money,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CustomerCreated {
    customer_id: Uuid,
    version: u8,
}

async fn create_customer<B: Backend>(backend: Data<B>, body: Bytes) -> HttpResponse {
    let Ok(CreateCustomer { name, credit_limit }) = serde_json::from_slice(&body) else {
        return HttpResponse::BadRequest().finish();
    };

    match backend.create_customer(name, credit_limit).await {
        Some(customer_id) => HttpResponse::Created().json(CustomerCreated {
            customer_id,
            version: 1,
        }),
        None => HttpResponse::ServiceUnavailable().finish(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateOrder<'a> {
    customer_id: Uuid,
    order_total: Option<Money>,
    #[serde(borrow)]
    lines: Option<&'a RawValue>,
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    quantity: u32,
    unit_price: Money,
}

async fn create_order<B: Backend>(
    backend: Data<B>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let Ok(wanted) = serde_json::from_slice::<CreateOrder<'_>>(&body) else {
        return HttpResponse::BadRequest().finish();
    };

    let Some(total) = wanted.order_total.or_else(|| wanted.lines.and_then(sum)) else {
        return HttpResponse::BadRequest().finish();
    };

    let order = NewOrder {
        customer: wanted.customer_id,
        total,
        lines: wanted.lines.map(|lines| lines.get().to_owned()),
        note: wanted.note,
        wait: waits(request.headers()),
    };

    match backend.create_order(order).await {
        Some(outcome) => HttpResponse::Created().json(outcome),
        None => HttpResponse::ServiceUnavailable().finish(),
    }
}

/// The total of an order's lines.
fn sum(lines: &RawValue) -> Option<Money> {
    let lines: Vec<Line> = serde_json::from_str(lines.get()).ok()?;
    lines.iter().try_fold(Money::ZERO, |total, line| {
        total.checked_add(line.unit_price.checked_mul(line.quantity)?)
    })
}

/// Whether the caller waits for the saga; for how long does not matter here.
fn waits(headers: &HeaderMap) -> bool {
    let prefer = headers.get("prefer").and_then(|value| value.to_str().ok());
    prefer
        .and_then(|value| value.trim().strip_prefix("wait="))
        .is_some_and(|seconds| seconds.trim() != "0")
}

async fn get_order<B: Backend>(backend: Data<B>, id: Path<Uuid>) -> HttpResponse {
    found(backend.order(*id).await)
}

async fn get_customer<B: Backend>(backend: Data<B>, id: Path<Uuid>) -> HttpResponse {
    found(backend.customer(*id).await)
}

fn found<T: Serialize>(result: anyhow::Result<Option<T>>) -> HttpResponse {
    match result {
        Ok(Some(document)) => HttpResponse::Ok().json(document),
        Ok(None) => HttpResponse::NotFound().finish(),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}
