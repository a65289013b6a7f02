//! A double of the rest of the node for route tests: it answers what a test has put in, and keeps what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::test::TestRequest;
use actix_web::web::Data;
use actix_web::{App, test};
use actors::{CommandError, CustomerAnswer, NewCustomer, NewOrder, OrderAnswer, RequestBinding, SagaAnswer, Seen};
use clap::Parser;
use domain::saga::{SagaKind, SagaState, StepState};
use domain::{CustomerId, MessageId, Money, OrderId, OrderState, SagaId, Service, Timestamp};
use projections::{CustomerDocument, CustomerOrder, OrderDocument};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Api, routes};
use crate::config::{Config, SettingFlags};
use crate::ports::*;

pub const ID: &str = "0190a5c8-7e2b-7c3d-8f4e-123456789abc";

pub fn id() -> Uuid {
    ID.parse().unwrap()
}

/// What the double was asked last, and what it answers.
#[derive(Default)]
pub struct Double {
    pub customer: Mutex<Option<NewCustomer>>,
    pub order: Mutex<Option<NewOrder>>,
    pub binding: Mutex<Option<RequestBinding>>,
    pub wait: Mutex<Option<Duration>>,
    pub reason: Mutex<Option<String>>,
    pub freshness: Mutex<Option<Freshness>>,
    pub order_query: Mutex<Option<OrderQuery>>,
    pub customer_query: Mutex<Option<CustomerQuery>>,
    /// The answer to commands on orders: state and whether the saga has ended.
    pub outcome: Mutex<Option<(OrderState, bool)>>,
    /// Whether commands on orders are answered as repeats.
    pub repeated: Mutex<bool>,
    pub refusal: Mutex<Option<CommandError>>,
    pub read_error: Mutex<Option<ReadError>>,
    /// Commands and reads never end.
    pub hangs: Mutex<bool>,
    pub missing: Mutex<Vec<String>>,
}

fn put<T>(slot: &Mutex<Option<T>>, value: T) {
    *slot.lock().unwrap() = Some(value);
}

pub fn taken<T>(slot: &Mutex<Option<T>>) -> T {
    slot.lock().unwrap().take().unwrap()
}

impl Double {
    fn command<'a, T: 'a>(&'a self, binding: Option<RequestBinding>, answer: T) -> CommandFuture<'a, T> {
        *self.binding.lock().unwrap() = binding;
        let refusal = self.refusal.lock().unwrap().clone();
        let hangs = *self.hangs.lock().unwrap();
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            refusal.map_or(Ok(answer), Err)
        })
    }

    fn order_command(
        &self,
        order: OrderId,
        binding: Option<RequestBinding>,
        wait: Option<Duration>,
    ) -> CommandFuture<'_, OrderAnswer> {
        *self.wait.lock().unwrap() = wait;
        let (state, saga_ended) = self.outcome.lock().unwrap().unwrap_or((OrderState::Pending, false));
        let answer = OrderAnswer {
            order_id: order,
            state,
            rejection_reason: None,
            version: 7,
            saga_id: Some(SagaId(id())),
            saga_ended,
            repeated: *self.repeated.lock().unwrap(),
            seen: vec![
                Seen { service: Service::Orders, entity: order.0, version: 7 },
                Seen { service: Service::Customers, entity: id(), version: 3 },
            ],
        };
        self.command(binding, answer)
    }

    fn answer<'a, T: 'a>(&'a self, freshness: Freshness, data: T) -> ReadFuture<'a, Answer<T>> {
        let stale = freshness.lenient && !freshness.tokens.is_empty();
        put(&self.freshness, freshness);
        self.read(Answer { data, token: "seen".to_owned(), stale })
    }

    fn read<'a, T: 'a>(&'a self, data: T) -> ReadFuture<'a, T> {
        let error = self.read_error.lock().unwrap().clone();
        let hangs = *self.hangs.lock().unwrap();
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            error.map_or(Ok(data), Err)
        })
    }
}

impl Commands for Double {
    fn create_customer(&self, request: NewCustomer, key: Option<RequestBinding>) -> CommandFuture<'_, CustomerAnswer> {
        put(&self.customer, request);
        self.command(key, CustomerAnswer { customer_id: CustomerId(id()), version: 1 })
    }

    fn create_order(
        &self,
        request: NewOrder,
        key: Option<RequestBinding>,
        wait: Option<Duration>,
    ) -> CommandFuture<'_, OrderAnswer> {
        put(&self.order, request);
        self.order_command(OrderId(id()), key, wait)
    }

    fn cancel_order(
        &self,
        order: OrderId,
        key: Option<RequestBinding>,
        wait: Option<Duration>,
    ) -> CommandFuture<'_, OrderAnswer> {
        self.order_command(order, key, wait)
    }

    fn ship_order(&self, order: OrderId, key: Option<RequestBinding>) -> CommandFuture<'_, OrderAnswer> {
        self.order_command(order, key, None)
    }

    fn retry_saga(&self, saga: SagaId, key: Option<RequestBinding>) -> CommandFuture<'_, SagaAnswer> {
        let state = SagaState::Compensating;
        self.command(
            key,
            SagaAnswer {
                saga_id: saga,
                order_id: OrderId(id()),
                state,
                version: 4,
                seen: Seen { service: domain::Service::Orders, entity: id(), version: 2 },
            },
        )
    }

    fn cancel_saga(
        &self,
        saga: SagaId,
        reason: Option<String>,
        key: Option<RequestBinding>,
    ) -> CommandFuture<'_, SagaAnswer> {
        *self.reason.lock().unwrap() = reason;
        self.retry_saga(saga, key)
    }

    fn replay_quarantined(&self, _: MessageId) -> CommandFuture<'_, ()> {
        self.command(None, ())
    }

    fn discard_quarantined(&self, _: MessageId) -> CommandFuture<'_, ()> {
        self.command(None, ())
    }
}

pub fn order() -> OrderDocument {
    OrderDocument {
        order_id: OrderId(id()),
        customer_id: CustomerId(id()),
        customer_name: Some("Ada Park".to_owned()),
        order_total: Money::from_cents(1234),
        state: OrderState::Approved,
        rejection_reason: None,
        lines: Vec::new(),
        note: None,
        creation_time: Timestamp::from_micros(1_767_225_600_123_456),
        version: 2,
    }
}

pub fn customer() -> CustomerDocument {
    CustomerDocument {
        customer_id: CustomerId(id()),
        name: "Ada Park".to_owned(),
        credit_limit: Money::from_cents(1500),
        available_credit: Money::from_cents(266),
        creation_time: Timestamp::from_micros(1_767_225_600_000_000),
        version: 2,
    }
}

fn customer_order() -> CustomerOrder {
    let order = order();
    CustomerOrder {
        order_id: order.order_id,
        state: order.state,
        order_total: order.order_total,
        rejection_reason: None,
        creation_time: order.creation_time,
        version: order.version,
    }
}

fn one<T>(item: T) -> Listed<T> {
    Listed { items: vec![item], next: Some("more".to_owned()) }
}

impl Queries for Double {
    fn token_of(&self, seen: &[Seen]) -> String {
        seen.iter().map(|seen| format!("{}.{}", seen.service, seen.version)).collect::<Vec<_>>().join("-")
    }

    fn customer(&self, _: CustomerId, freshness: Freshness) -> ReadFuture<'_, Answer<CustomerWithOrders>> {
        self.answer(freshness, CustomerWithOrders { customer: customer(), orders: vec![customer_order()] })
    }

    fn customers(
        &self,
        query: CustomerQuery,
        freshness: Freshness,
    ) -> ReadFuture<'_, Answer<Listed<CustomerDocument>>> {
        put(&self.customer_query, query);
        self.answer(freshness, one(customer()))
    }

    fn customer_count(&self, freshness: Freshness) -> ReadFuture<'_, Answer<u64>> {
        self.answer(freshness, 5)
    }

    fn customer_orders(
        &self,
        _: CustomerId,
        _: Option<OrderState>,
        _: Page,
        freshness: Freshness,
    ) -> ReadFuture<'_, Answer<Listed<CustomerOrder>>> {
        self.answer(freshness, one(customer_order()))
    }

    fn order(&self, _: OrderId, freshness: Freshness) -> ReadFuture<'_, Answer<OrderDocument>> {
        self.answer(freshness, order())
    }

    fn orders(&self, query: OrderQuery, freshness: Freshness) -> ReadFuture<'_, Answer<OrdersFound>> {
        put(&self.order_query, query);
        let hit = OrderHit { order: order(), score: Some(1.5), highlights: None };
        self.answer(freshness, OrdersFound { listed: one(hit), total: 41 })
    }
}

impl History for Double {
    /// Three events there are.
    fn events(&self, _: Service, _: Uuid, from_version: u64, limit: usize) -> ReadFuture<'_, Vec<HistoryEvent>> {
        let event = |version| HistoryEvent {
            version,
            kind: "order.created".to_owned(),
            time: Timestamp::from_micros(0),
            data: serde_json::value::to_raw_value(&serde_json::json!({"a": 1})).unwrap(),
            message_id: id(),
            correlation_id: id(),
        };
        self.read((from_version..=3).take(limit).map(event).collect())
    }

    fn customer_as_of(&self, _: CustomerId, _: AsOf) -> ReadFuture<'_, CustomerDocument> {
        self.read(customer())
    }

    fn order_as_of(&self, _: OrderId, _: AsOf) -> ReadFuture<'_, OrderDocument> {
        self.read(order())
    }
}

impl Sagas for Double {
    fn list(&self, _: SagaQuery) -> ReadFuture<'_, Listed<SagaDetails>> {
        self.read(one(saga()))
    }

    fn show(&self, _: SagaId) -> ReadFuture<'_, SagaDetails> {
        self.read(saga())
    }
}

fn saga() -> SagaDetails {
    SagaDetails {
        saga_id: SagaId(id()),
        kind: SagaKind::CreateOrder,
        state: SagaState::Running,
        order_id: OrderId(id()),
        started_at: Timestamp::from_micros(0),
        updated_at: Timestamp::from_micros(0),
        ended_at: None,
        deadline: None,
        attempts: 1,
        steps: vec![SagaStep {
            name: "create-order".to_owned(),
            kind: "local".to_owned(),
            state: StepState::Done,
            at: None,
            detail: None,
        }],
        version: 1,
    }
}

impl Quarantine for Double {
    fn list(&self, _: Page) -> ReadFuture<'_, Listed<Parked>> {
        self.read(Listed { items: Vec::new(), next: None })
    }

    fn show(&self, _: MessageId) -> ReadFuture<'_, Parked> {
        Box::pin(async { Err(ReadError::NotFound("parked message")) })
    }
}

impl Cluster for Double {
    fn state(&self) -> ReadFuture<'_, ClusterState> {
        self.read(ClusterState { node_id: "node-1".to_owned(), nodes: Vec::new(), shards: Vec::new() })
    }
}

impl ViewsStatus for Double {
    fn views(&self) -> ReadFuture<'_, Vec<ViewStatus>> {
        let (name, backend) = ("orders".to_owned(), "sqlite".to_owned());
        self.read(vec![ViewStatus { name, backend, state: ViewState::Live, lag: 0, progress: None }])
    }
}

impl Health for Double {
    fn readiness(&self) -> futures_util::future::LocalBoxFuture<'_, Readiness> {
        let missing = self.missing.lock().unwrap().clone();
        Box::pin(async { Readiness { missing, degraded: vec!["search".to_owned()] } })
    }
}

/// An answer, read to its end.
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Response {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that this is a problem of this status.
    #[track_caller]
    pub fn is_problem(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json["status"], status);
        assert!(self.json["type"].as_str().unwrap().starts_with("urn:counterfoil:problem:"));
        assert!(self.json["title"].is_string() && self.json["detail"].is_string());
        self
    }

    /// The fields that a `400` names.
    #[track_caller]
    pub fn fields(&self) -> Vec<&str> {
        self.is_problem(400);
        self.json["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect()
    }
}

pub fn config(environment: &[&str]) -> Config {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: SettingFlags,
    }
    Config::load(&Line::parse_from([&["x"][..], environment].concat()).flags).unwrap()
}

/// An application over the double, and what is needed to end it.
pub struct Node {
    pub double: Arc<Double>,
    pub shutdown: watch::Sender<bool>,
    pub api: Data<Api>,
}

impl Node {
    pub fn new() -> Self {
        Node::with(&[])
    }

    pub fn with(flags: &[&str]) -> Self {
        let double = Arc::new(Double::default());
        let ports = Ports {
            commands: double.clone(),
            queries: double.clone(),
            history: double.clone(),
            sagas: double.clone(),
            quarantine: double.clone(),
            cluster: double.clone(),
            views: double.clone(),
            health: double.clone(),
        };
        let (shutdown, ending) = watch::channel(false);
        Node { double, shutdown, api: Data::new(Api::new(ports, &config(flags), None, ending)) }
    }

    pub async fn call(&self, request: TestRequest) -> Response {
        let app = test::init_service(App::new().app_data(self.api.clone()).configure(routes)).await;
        let response = test::call_service(&app, request.to_request()).await;
        read(response).await
    }

    pub async fn get(&self, uri: &str) -> Response {
        self.call(TestRequest::get().uri(uri)).await
    }

    /// Posts a JSON text, with headers.
    pub async fn post(&self, uri: &str, body: &str, headers: &[(&'static str, &str)]) -> Response {
        let mut request = TestRequest::post().uri(uri).set_payload(body.to_owned());
        if !body.is_empty() {
            request = request.insert_header(("content-type", "application/json"));
        }
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        self.call(request).await
    }
}

async fn read<B: MessageBody>(response: ServiceResponse<B>) -> Response {
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = test::read_body(response).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Response { status, headers, text, json }
}
