//! Whether the process lives, whether it can take commands, and its metrics.

use actix_web::http::header::ContentType;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::refuse_other_methods;
use super::{Api, Problem, meter, reads};
use crate::telemetry;

/// The media type of the Prometheus text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The routes `/health/live`, `/health/ready` and `/metrics`.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/health/live")
                .route(reads::route().to(live))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/health/ready")
                .route(reads::route().to(ready))
                .default_service(refuse_other_methods("GET, HEAD")),
        )
        .service(
            web::resource("/metrics")
                .route(reads::route().to(metrics))
                .default_service(refuse_other_methods("GET, HEAD")),
        );
}

/// A node's health.
#[derive(Serialize, ToSchema)]
pub struct Status {
    /// `live` or `ready`.
    status: &'static str,
    /// What does not work though commands do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    degraded: Vec<String>,
}

/// Tell that the process lives
#[utoipa::path(
    get, path = "/health/live", operation_id = "showLiveness", tag = "operations",
    responses((status = 200, body = Status)),
)]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Status {
        status: "live",
        degraded: Vec::new(),
    })
}

/// Tell whether the node can take commands
#[utoipa::path(
    get, path = "/health/ready", operation_id = "showReadiness", tag = "operations",
    responses(
        (status = 200, body = Status),
        (status = 503, description = "What is missing"),
    ),
)]
pub async fn ready(api: Data<Api>) -> HttpResponse {
    let mut readiness = api.ports.health.readiness().await;
    if api.is_leaving() {
        readiness.missing.push("the node is ending".to_owned());
    }
    if readiness.missing.is_empty() {
        return HttpResponse::Ok().json(Status {
            status: "ready",
            degraded: readiness.degraded,
        });
    }
    Problem::unavailable(format!("missing: {}", readiness.missing.join(", "))).error_response()
}

/// Prometheus text
#[utoipa::path(
    get, path = "/metrics", operation_id = "showMetrics", tag = "operations",
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub async fn metrics(api: Data<Api>) -> HttpResponse {
    meter::show_callers("commands", api.gate.in_flight(), api.gate.waiting());
    meter::show_callers("queries", api.reads.count(), api.waiting_reads.count());

    match &api.telemetry.prometheus {
        Some(handle) => HttpResponse::Ok()
            .content_type(PROMETHEUS)
            .body(telemetry::render(handle)),
        None => HttpResponse::Ok()
            .content_type(ContentType::plaintext())
            .finish(),
    }
}
