//! The HTTP side of a node: routes, one file per resource, and what they share.
//!
//! A handler extracts, calls a port, and maps the answer. Everything that changes something takes
//! one way (`commands`), and everything that shows something another (`reads`). Every error leaves
//! as a problem (`problem`). These two ways call what each request needs (metrics, the bound on
//! work in flight); what holds of every request and answer, pages and unknown paths included, is
//! done in the one layer around the routes (`door`).

pub mod access;
mod actions;
mod answer;
mod body;
mod bulk;
mod commands;
mod compression;
mod conditional;
mod cursor;
mod customers;
mod docs;
mod documents;
mod door;
mod encoding;
mod fields;
mod headers;
mod health;
mod history;
mod idempotency;
mod index;
mod limits;
mod meter;
mod offer;
mod operations;
mod orders;
mod params;
mod prefer;
mod problem;
mod quarantine;
mod reads;
mod sagas;
pub mod schema;
mod server;
mod spans;
mod views;

#[cfg(test)]
mod testing;

use actix_web::App;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::web::Data;

use crate::config::Config;
use crate::ports::{Ports, ReadPorts};
use crate::shutdown::{Phase, Shutdown};
use crate::telemetry::Telemetry;

pub use docs::document;
pub use problem::{FieldError, Problem};
pub use server::{Bound, Listening, bind, listen};

/// What all handlers share: the ports and the bounds.
pub struct Api {
    /// What of the routes there is.
    offer: offer::Offer,
    /// Where requests may come from.
    places: door::Places,
    /// What shows something. What changes something is behind the gate.
    ports: ReadPorts,
    gate: commands::Gate,
    telemetry: Telemetry,
    shutdown: Shutdown,
    waits: prefer::Waits,
    reads: limits::InFlight,
    /// Queries that wait for a view.
    waiting_reads: limits::Waiting,
    meters: meter::Meters,
}

impl Api {
    /// Install the metrics recorder before, or the counts of requests are lost.
    #[must_use]
    pub fn new(ports: Ports, config: &Config, telemetry: Telemetry, shutdown: Shutdown) -> Self {
        Api {
            offer: offer::Offer::of(config),
            places: door::Places::new(config),
            ports: ports.reads,
            gate: commands::Gate::new(ports.commands, config),
            meters: meter::Meters::register(telemetry.tracer.as_ref()),
            telemetry,
            shutdown,
            waits: prefer::Waits {
                longest: config.max_wait,
                of_reads: config.read_wait.min(config.max_wait),
            },
            reads: limits::InFlight::new(config.max_in_flight),
            waiting_reads: limits::Waiting::new(config.max_waiting),
        }
    }

    /// Whether the node is on its way to its end.
    fn is_leaving(&self) -> bool {
        *self.shutdown.borrow() >= Phase::Leaving
    }
}

/// The application that answers the requests of one worker thread.
fn application(
    api: Data<Api>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let offer = api.offer;
    App::new()
        .app_data(api)
        .configure(|config| offer.routes(config))
        .wrap_fn(door::pass)
}
