//! The pure mechanism: what services, entities, messages and sagas are called, and how sagas run.
//!
//! Everything here is pure: no clock, no database, no runtime; times and ids come in as values. It
//! names no service, so that any team's can be built on it.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod attempt;
pub mod ids;
pub mod service;
pub mod time;
pub mod wire;

pub use attempt::Attempt;
pub use ids::{Fingerprint, MessageId, RequestKey, SagaId, ShardId};
pub use service::{Service, ServiceConflict};
pub use time::Timestamp;
pub use wire::WireMessage;
