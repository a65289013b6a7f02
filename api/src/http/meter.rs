//! What is measured and logged of each request. The handles of a route are made once, so that a
//! request only adds to them.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use metrics::{Counter, Histogram, counter, gauge, histogram};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::Instrument;

use super::headers::{REQUEST_ID, TRACEPARENT};
use super::problem::Kind;
use super::spans::RequestSpan;
use super::{Problem, access, compression};
use crate::metric_names as names;

/// The status codes that a route answers with. One that is missing here is counted as well, only
/// more slowly.
const STATUSES: [u16; 17] = [
    200, 201, 202, 304, 308, 400, 403, 404, 405, 408, 409, 412, 413, 415, 422, 500, 503,
];

/// The route of what no route takes.
pub const UNROUTED: &str = "unrouted";

/// The metrics of one route, and what makes its spans.
pub struct Meter {
    route: &'static str,
    /// Absent unless traces are on.
    tracer: Option<SdkTracer>,
    by_status: [OnceLock<Counter>; STATUSES.len()],
    seconds: Histogram,
}

impl Meter {
    fn register(route: &'static str, tracer: Option<&SdkTracer>) -> Self {
        Meter {
            route,
            tracer: tracer.cloned(),
            by_status: [const { OnceLock::new() }; STATUSES.len()],
            seconds: histogram!(names::REQUEST_SECONDS, "route" => route),
        }
    }

    /// Runs a request's work, counts and logs it, and turns an error into its answer. Its span
    /// exists at debug level only.
    pub async fn watch(
        &self,
        request: &HttpRequest,
        work: impl Future<Output = Result<HttpResponse, Problem>>,
    ) -> HttpResponse {
        let span = tracing::debug_span!(
            "request",
            http.method = %request.method(),
            http.path = request.path(),
            http.request_id = access::text(request, REQUEST_ID),
            traceparent = access::text(request, TRACEPARENT),
        );

        let start = Instant::now();
        let traced = self.traced(request);

        let mut response = match work.instrument(span).await {
            Ok(response) => response,
            Err(problem) => refused(&problem),
        };

        response = compression::large(request, response).await;
        self.answered(request, (start, traced), &mut response);
        response
    }

    /// Answers a request that no route takes, or may see.
    pub fn refuse(&self, request: &HttpRequest, problem: &Problem) -> HttpResponse {
        let begun = (Instant::now(), self.traced(request));
        let mut response = refused(problem);
        self.answered(request, begun, &mut response);
        response
    }

    fn traced(&self, request: &HttpRequest) -> Option<RequestSpan> {
        let tracer = self.tracer.as_ref()?;
        Some(RequestSpan::begin(tracer, self.route, request))
    }

    fn answered(
        &self,
        request: &HttpRequest,
        (start, traced): (Instant, Option<RequestSpan>),
        response: &mut HttpResponse,
    ) {
        let took = start.elapsed();
        self.seconds.record(took);
        self.count(response.status());

        if let Some(span) = &traced {
            span.tell(response);
        }
        access::answered(request, response, took);
        if let Some(span) = traced {
            span.end(response);
        }
    }

    fn count(&self, status: StatusCode) {
        let known = STATUSES.iter().position(|code| *code == status.as_u16());
        match known.and_then(|place| self.by_status.get(place)) {
            Some(counter) => counter
                .get_or_init(|| counter_of(self.route, status))
                .increment(1),
            None => counter_of(self.route, status).increment(1),
        }
    }
}

fn refused(problem: &Problem) -> HttpResponse {
    counter!(names::PROBLEMS, "type" => problem.kind()).increment(1);
    problem.error_response()
}

fn counter_of(route: &'static str, status: StatusCode) -> Counter {
    let outcome = if status.is_server_error() {
        "failed"
    } else if status.is_client_error() {
        "refused"
    } else {
        "succeeded"
    };
    let status = status.as_u16().to_string();
    counter!(names::REQUESTS, "route" => route, "outcome" => outcome, "status" => status)
}

/// Shows how many commands, or queries, are under way, and how many callers wait.
pub fn show_callers(what: &'static str, in_flight: usize, waiting: usize) {
    for (metric, count) in [(names::IN_FLIGHT, in_flight), (names::WAITING, waiting)] {
        let count = u32::try_from(count).map_or(f64::MAX, f64::from);
        gauge!(metric, "what" => what).set(count);
    }
}

macro_rules! meters {
    ($($name:ident = $route:expr,)+) => {
        /// One meter per route.
        pub struct Meters {
            $(pub $name: Meter,)+
        }

        impl Meters {
            /// Registers all of them, and shows the problems that a node can have as 0.
            pub fn register(tracer: Option<&SdkTracer>) -> Self {
                // Those that say something of the node, not of the request, are shown as 0 until
                // there is one.
                let of_the_node = |kind: &&Kind| kind.status().is_server_error();
                for kind in Kind::ALL.iter().filter(of_the_node) {
                    counter!(names::PROBLEMS, "type" => kind.name()).increment(0);
                }
                Meters { $($name: Meter::register($route, tracer),)+ }
            }
        }
    };
}

meters! {
    unrouted = UNROUTED,
    create_order = "POST /orders",
    cancel_order = "POST /orders/{id}/cancel",
    ship_order = "POST /orders/{id}/ship",
    list_orders = "GET /orders",
    show_order = "GET /orders/{id}",
    order_history = "GET /orders/{id}/history",
    create_customer = "POST /customers",
    correct_credit_limit = "POST /customers/{id}/credit-limit",
    list_customers = "GET /customers",
    count_customers = "GET /customers/count",
    show_customer = "GET /customers/{id}",
    orders_of_customer = "GET /customers/{id}/orders",
    customer_history = "GET /customers/{id}/history",
    list_sagas = "GET /sagas",
    show_saga = "GET /sagas/{id}",
    retry_saga = "POST /sagas/{id}/retry",
    cancel_saga = "POST /sagas/{id}/cancel",
    abandon_saga = "POST /sagas/{id}/abandon",
    operate_sagas = "POST /sagas/bulk",
    list_actions = "GET /actions",
    list_quarantine = "GET /quarantine",
    quarantine_causes = "GET /quarantine/causes",
    operate_quarantine = "POST /quarantine/bulk",
    edit_quarantined = "PUT /quarantine/{id}",
    show_quarantined = "GET /quarantine/{id}",
    replay_quarantined = "POST /quarantine/{id}/replay",
    discard_quarantined = "DELETE /quarantine/{id}",
    views = "GET /views",
    list_quarantine_of_views = "GET /views/quarantine",
    operate_quarantine_of_views = "POST /views/quarantine/bulk",
    show_quarantined_in_view = "GET /views/{name}/quarantine/{id}",
    rebuild_view = "POST /views/{name}/rebuild",
    revert_view = "POST /views/{name}/revert",
    heal_view = "POST /views/{name}/heal/{id}",
    cluster = "GET /cluster",
}
