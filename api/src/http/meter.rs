//! The metrics of each route. Their handles are registered once, so that a request only adds to
//! them.

use std::future::Future;
use std::time::Instant;

use actix_web::http::header::HeaderName;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use metrics::{Counter, Histogram, counter, gauge, histogram};
use tracing::Instrument;

use super::Problem;
use super::headers::{REQUEST_ID, TRACEPARENT};

const REQUESTS: &str = "counterfoil_http_requests_total";
const SECONDS: &str = "counterfoil_http_request_seconds";
const IN_FLIGHT: &str = "counterfoil_http_in_flight";
const WAITING: &str = "counterfoil_http_waiting";

/// The metrics of one route.
pub struct Meter {
    succeeded: Counter,
    refused: Counter,
    failed: Counter,
    seconds: Histogram,
}

impl Meter {
    fn register(route: &'static str) -> Self {
        let outcome =
            |outcome: &'static str| counter!(REQUESTS, "route" => route, "outcome" => outcome);
        Meter {
            succeeded: outcome("succeeded"),
            refused: outcome("refused"),
            failed: outcome("failed"),
            seconds: histogram!(SECONDS, "route" => route),
        }
    }

    /// Runs a request's work, counts it, and turns an error into its answer. Its span exists at
    /// debug level only.
    pub async fn watch(
        &self,
        request: &HttpRequest,
        work: impl Future<Output = Result<HttpResponse, Problem>>,
    ) -> HttpResponse {
        let span = tracing::debug_span!(
            "request",
            http.method = %request.method(),
            http.path = request.path(),
            http.request_id = text(request, REQUEST_ID),
            traceparent = text(request, TRACEPARENT),
        );

        let start = Instant::now();

        let response = match work.instrument(span).await {
            Ok(response) => response,
            Err(problem) => problem.error_response(),
        };

        self.seconds.record(start.elapsed());

        let status = response.status();
        let outcome = if status.is_server_error() {
            &self.failed
        } else if status.is_client_error() {
            &self.refused
        } else {
            &self.succeeded
        };
        outcome.increment(1);

        response
    }
}

/// Shows how many commands, or queries, are under way, and how many callers wait.
pub fn show_callers(what: &'static str, in_flight: usize, waiting: usize) {
    for (metric, count) in [(IN_FLIGHT, in_flight), (WAITING, waiting)] {
        let count = u32::try_from(count).map_or(f64::MAX, f64::from);
        gauge!(metric, "what" => what).set(count);
    }
}

fn text(request: &HttpRequest, name: HeaderName) -> Option<&str> {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
}

macro_rules! meters {
    ($($name:ident = $route:literal,)+) => {
        /// One meter per route.
        pub struct Meters {
            $(pub $name: Meter,)+
        }

        impl Meters {
            pub fn register() -> Self {
                metrics::describe_counter!(REQUESTS, "Requests answered, by route and outcome");
                metrics::describe_histogram!(
                    SECONDS,
                    "Time from a request to its answer, by route"
                );
                metrics::describe_gauge!(IN_FLIGHT, "Requests that are worked on");
                metrics::describe_gauge!(
                    WAITING,
                    "Callers that wait for a saga's end, or for a view"
                );
                Meters { $($name: Meter::register($route),)+ }
            }
        }
    };
}

meters! {
    create_order = "POST /orders",
    cancel_order = "POST /orders/{id}/cancel",
    ship_order = "POST /orders/{id}/ship",
    list_orders = "GET /orders",
    show_order = "GET /orders/{id}",
    order_history = "GET /orders/{id}/history",
    create_customer = "POST /customers",
    list_customers = "GET /customers",
    count_customers = "GET /customers/count",
    show_customer = "GET /customers/{id}",
    orders_of_customer = "GET /customers/{id}/orders",
    customer_history = "GET /customers/{id}/history",
    list_sagas = "GET /sagas",
    show_saga = "GET /sagas/{id}",
    retry_saga = "POST /sagas/{id}/retry",
    cancel_saga = "POST /sagas/{id}/cancel",
    list_quarantine = "GET /quarantine",
    show_quarantined = "GET /quarantine/{id}",
    replay_quarantined = "POST /quarantine/{id}/replay",
    discard_quarantined = "DELETE /quarantine/{id}",
    views = "GET /views",
    rebuild_view = "POST /views/{name}/rebuild",
    revert_view = "POST /views/{name}/revert",
    heal_view = "POST /views/{name}/heal/{id}",
    cluster = "GET /cluster",
}
