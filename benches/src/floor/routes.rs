//! The floor's HTTP side: four calls of the public contract, as far as the load generator uses
//! them.

use std::sync::mpsc::Sender;

use actix_web::http::header::HeaderMap;
use actix_web::web::{self, Bytes, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use domain::Money;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::messages::{Id, NewCustomer, Order};
use super::reader::Reader;
use super::{customers, orders};

/// What the handlers of one HTTP thread use.
pub struct State {
    orders: Sender<orders::Message>,
    customers: Sender<customers::Message>,
    /// Absent when the databases could not be opened to read.
    reader: Option<Reader>,
}

impl State {
    #[must_use]
    pub fn new(
        orders: Sender<orders::Message>,
        customers: Sender<customers::Message>,
        reader: Option<Reader>,
    ) -> State {
        State {
            orders,
            customers,
            reader,
        }
    }
}

pub fn configure(routes: &mut ServiceConfig) {
    routes
        .route("/orders", web::post().to(create_order))
        .route("/customers", web::post().to(create_customer))
        .route("/orders/{id}", web::get().to(get_order))
        .route("/customers/{id}", web::get().to(get_customer));
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

async fn create_customer(state: Data<State>, body: Bytes) -> HttpResponse {
    let Ok(CreateCustomer { name, credit_limit }) = serde_json::from_slice(&body) else {
        return HttpResponse::BadRequest().finish();
    };

    let (answer, created) = oneshot::channel();

    let id = Id::new();
    let new = NewCustomer {
        id,
        name,
        limit: credit_limit,
        answer,
    };

    if state
        .customers
        .send(customers::Message::Create(new))
        .is_err()
        || created.await.is_err()
    {
        return HttpResponse::ServiceUnavailable().finish();
    }

    HttpResponse::Created().json(CustomerCreated {
        customer_id: id.0,
        version: 1,
    })
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderCreated {
    order_id: Uuid,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection_reason: Option<&'static str>,
    version: u8,
    saga_id: Uuid,
}

async fn create_order(state: Data<State>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let Ok(wanted) = serde_json::from_slice::<CreateOrder<'_>>(&body) else {
        return HttpResponse::BadRequest().finish();
    };

    let Some(total) = wanted.order_total.or_else(|| wanted.lines.and_then(sum)) else {
        return HttpResponse::BadRequest().finish();
    };

    let (answer, ended) = oneshot::channel();

    let (id, saga) = (Id::new(), Id::new());
    let order = Order {
        id,
        saga,
        customer: Id(wanted.customer_id),
        total,
        lines: wanted.lines.map(|lines| lines.get().to_owned()),
        note: wanted.note,
        wait: waits(request.headers()),
        answer: Some(answer),
    };

    if state
        .orders
        .send(orders::Message::Create(Box::new(order)))
        .is_err()
    {
        return HttpResponse::ServiceUnavailable().finish();
    }

    let Ok(outcome) = ended.await else {
        return HttpResponse::ServiceUnavailable().finish();
    };

    HttpResponse::Created().json(OrderCreated {
        order_id: id.0,
        state: outcome.state,
        rejection_reason: outcome.rejection_reason,
        version: outcome.version,
        saga_id: saga.0,
    })
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

async fn get_order(state: Data<State>, id: Path<Uuid>) -> HttpResponse {
    found(state.reader.as_ref().map(|reader| reader.order(*id)))
}

async fn get_customer(state: Data<State>, id: Path<Uuid>) -> HttpResponse {
    found(state.reader.as_ref().map(|reader| reader.customer(*id)))
}

fn found<T: Serialize>(result: Option<rusqlite::Result<Option<T>>>) -> HttpResponse {
    match result {
        Some(Ok(Some(document))) => HttpResponse::Ok().json(document),
        Some(Ok(None)) => HttpResponse::NotFound().finish(),
        Some(Err(_)) | None => HttpResponse::ServiceUnavailable().finish(),
    }
}
