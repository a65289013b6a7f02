//! A node in memory for the tests of this module: the commands of the contract with their keys,
//! decided at once.
//!
//! It is unkind on purpose: it answers `503` before and after an effect, answers `PENDING` first,
//! and remembers which consistency tokens it gave out and which it has seen again in reads. It
//! exists in tests only.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Default)]
pub struct State {
    customers: HashMap<Uuid, (u64, u64)>,
    pub orders: HashMap<Uuid, Order>,
    keys: HashMap<(String, String), (Value, Uuid)>,
    calls: u64,
    pub given: BTreeSet<String>,
    pub seen: [BTreeSet<String>; 3],
    /// Every N-th call fails, alternately before and after its effect.
    pub fail_every: Option<u64>,
    /// Calls after which the node is as good as dead.
    pub dies_after: Option<u64>,
    busy: BTreeSet<Uuid>,
}

pub struct Order {
    customer: Uuid,
    total: u64,
    pub state: &'static str,
    told_pending: bool,
}

type Shared = web::Data<Mutex<State>>;

pub struct Fake {
    pub url: String,
    pub state: Arc<Mutex<State>>,
}

impl Fake {
    pub fn start() -> Self {
        let data: Shared = web::Data::new(Mutex::new(State::default()));
        let state = Arc::clone(&data);

        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route(
                    "/health/live",
                    web::get().to(|| async { HttpResponse::Ok().json(json!({})) }),
                )
                .route("/customers", web::post().to(open_customer))
                .route(
                    "/customers/{id}",
                    web::get().to(|request, state| read(0, request, state)),
                )
                .route("/orders", web::post().to(place_order))
                .route(
                    "/orders",
                    web::get().to(|request, state| read(2, request, state)),
                )
                .route(
                    "/orders/{id}",
                    web::get().to(|request, state| read(1, request, state)),
                )
                .route("/orders/{id}/{verb}", web::post().to(change_order))
        })
        .workers(2)
        .bind("127.0.0.1:0")
        .unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        actix_web::rt::spawn(server.run());

        Self { url, state }
    }
}

fn cents(money: &Value) -> u64 {
    let text = money["amount"].as_str().unwrap();
    text.replace('.', "").parse().unwrap()
}

fn unavailable() -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header(("Retry-After", "0"))
        .json(json!({"status": 503, "title": "overloaded"}))
}

fn refused(status: u16, detail: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap();
    HttpResponse::build(status)
        .content_type("application/problem+json")
        .json(json!({"title": "refused", "detail": detail}))
}

/// Status and detail.
type Refusal = (u16, &'static str);

/// Does `effect` under the key, once; fails the call before or after it when its turn has come.
fn keyed(
    request: &HttpRequest,
    state: &mut State,
    body: Value,
    effect: impl FnOnce(&mut State) -> Result<Uuid, Refusal>,
    answer: impl FnOnce(&mut State, Uuid) -> HttpResponse,
) -> HttpResponse {
    state.calls += 1;

    if state.dies_after.is_some_and(|calls| state.calls > calls) {
        return unavailable();
    }

    let turn = state
        .fail_every
        .filter(|every| state.calls.is_multiple_of(*every))
        .map(|every| state.calls / every % 2);

    if turn == Some(0) {
        return unavailable();
    }

    let key = request
        .headers()
        .get("Idempotency-Key")
        .expect("every POST has a key")
        .to_str()
        .unwrap()
        .to_owned();

    let bound = (request.path().to_owned(), key);
    let id = match state.keys.get(&bound) {
        Some((known, _)) if *known != body => {
            return refused(422, "the key was used with another body");
        }
        Some((_, id)) => *id,
        None => match effect(state) {
            Ok(id) => {
                state.keys.insert(bound, (body, id));
                id
            }
            Err((status, detail)) => return refused(status, detail),
        },
    };

    if turn == Some(1) {
        return unavailable();
    }

    answer(state, id)
}

async fn open_customer(
    request: HttpRequest,
    state: Shared,
    body: web::Json<Value>,
) -> HttpResponse {
    let mut state = state.lock().unwrap();
    let body = body.into_inner();
    let limit = cents(&body["creditLimit"]);

    let refuse = body["name"] == "";
    let effect = |state: &mut State| {
        if refuse {
            return Err((400, "name must have 1 to 200 characters"));
        }
        let id = Uuid::now_v7();
        state.customers.insert(id, (limit, 0));
        Ok(id)
    };

    keyed(&request, &mut state, body.clone(), effect, |state, id| {
        let token = format!("c:{id}:1");
        state.given.insert(token.clone());
        HttpResponse::Created()
            .insert_header(("Consistency-Token", token))
            .json(json!({"customerId": id, "version": 1}))
    })
}

async fn place_order(request: HttpRequest, state: Shared, body: web::Json<Value>) -> HttpResponse {
    assert_eq!(request.headers().get("Prefer").unwrap(), "wait=30");
    let mut state = state.lock().unwrap();
    let body = body.into_inner();
    let customer: Uuid = body["customerId"].as_str().unwrap().parse().unwrap();

    let total = body["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["quantity"].as_u64().unwrap() * cents(&line["unitPrice"]))
        .sum();

    let effect = |state: &mut State| {
        let (limit, reserved) = state.customers.get_mut(&customer).unwrap();
        let fits = *reserved + total <= *limit;
        *reserved += if fits { total } else { 0 };
        let id = Uuid::now_v7();
        assert!(
            state.busy.insert(customer),
            "two orders of a customer under way at once"
        );
        let order = Order {
            customer,
            total,
            state: if fits { "APPROVED" } else { "REJECTED" },
            told_pending: false,
        };
        state.orders.insert(id, order);
        Ok(id)
    };

    keyed(&request, &mut state, body.clone(), effect, |state, id| {
        // Every order's saga seems to take longer than the first wait, so that the client must ask
        // again.
        let first = !std::mem::replace(&mut state.orders.get_mut(&id).unwrap().told_pending, true);
        if first {
            return order_answer(state, 201, id, "PENDING");
        }
        state.busy.remove(&customer);
        let now = state.orders[&id].state;
        order_answer(state, 201, id, now)
    })
}

fn order_answer(state: &mut State, status: u16, id: Uuid, shown: &str) -> HttpResponse {
    let token = format!("o:{id}:{shown}");
    state.given.insert(token.clone());
    let reason = (shown == "REJECTED").then_some("INSUFFICIENT_CREDIT");
    HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap())
        .insert_header(("Consistency-Token", token))
        .json(json!({"orderId": id, "state": shown, "version": 1, "rejectionReason": reason}))
}

async fn change_order(
    request: HttpRequest,
    state: Shared,
    path: web::Path<(Uuid, String)>,
) -> HttpResponse {
    let (id, verb) = path.into_inner();
    let target = if verb == "ship" {
        "SHIPPED"
    } else {
        "CANCELLED"
    };

    let mut state = state.lock().unwrap();
    let effect = |state: &mut State| {
        let Some(order) = state.orders.get_mut(&id) else {
            return Err((404, "no such order"));
        };
        if order.state != "APPROVED" {
            return Err((409, "the order is not approved"));
        }
        order.state = target;
        let (customer, total) = (order.customer, order.total);
        if verb == "cancel" {
            state.customers.get_mut(&customer).unwrap().1 -= total;
            state.busy.insert(id);
        }
        Ok(id)
    };

    keyed(&request, &mut state, Value::Null, effect, |state, id| {
        if state.busy.remove(&id) {
            return order_answer(state, 202, id, "CANCEL_PENDING");
        }
        let now = state.orders[&id].state;
        order_answer(state, 200, id, now)
    })
}

async fn read(view: usize, request: HttpRequest, state: Shared) -> HttpResponse {
    let tokens = request
        .headers()
        .get("Consistency-Token")
        .unwrap()
        .to_str()
        .unwrap();
    assert!(view != 2 || request.query_string().contains("text="));
    state.lock().unwrap().seen[view].extend(tokens.split(',').map(str::to_owned));
    HttpResponse::Ok().json(json!({}))
}
