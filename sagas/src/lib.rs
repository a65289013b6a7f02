//! The pure mechanism: what services, entities, messages and sagas are called, and how sagas run.
//!
//! Everything here is pure: no clock, no database, no runtime; times and ids come in as values. It
//! names no service, so any team can build its own on it.
//!
//! A saga is a value, a [`Definition`]; a [`Run`] carries out any of them. [`testing`] tries one
//! out without any infrastructure.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod address;
pub mod attempt;
pub mod countermeasures;
pub mod definition;
pub mod definitions;
pub mod handler;
pub mod ids;
pub mod mistakes;
pub mod nested;
pub mod none;
pub mod policy;
pub mod reason;
pub mod run;
pub mod service;
pub mod state;
pub mod testing;
pub mod time;
pub mod timeline;
pub mod wire;

pub use address::Address;
pub use attempt::Attempt;
pub use definition::{Action, CarryOver, Definition, Meaning, SagaData, Step};
pub use definitions::{Definitions, Unresolved};
pub use handler::Handler;
pub use ids::{Fingerprint, MessageId, RequestKey, SagaId, ShardId};
pub use nested::{Incoming, Outgoing};
pub use none::{NoMessage, NoReply, NoSaga};
pub use policy::SagaPolicy;
pub use reason::Reason;
pub use run::{Beginning, Effect, Run};
pub use service::{Service, ServiceConflict};
pub use state::{SagaState, StepRecord, StepState};
pub use time::Timestamp;
pub use wire::WireMessage;
