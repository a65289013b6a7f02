//! Everything durable on the command side: connections, tables, the journal, the outbox, the inbox
//! and the log.
//!
//! The way of a write: a shard hands a [`unit::Unit`] to the [`journal::Journal`], which commits it
//! together with whatever else has gathered and then hands its messages to the [`log::Log`].
//! Nothing else writes.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod actions;
pub mod backup;
pub mod bulk;
pub mod census;
pub mod clock;
pub mod cluster;
pub mod database;
pub mod deployment;
pub mod entities;
pub mod error;
pub mod faults;
mod fixed;
pub mod history;
pub mod inspection;
pub mod journal;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod lease;
pub mod loading;
pub mod log;
pub mod mapping;
pub mod metric_names;
pub mod migrations;
pub mod outbox;
pub mod parking;
pub mod private_folder;
#[cfg(feature = "kafka")]
pub mod relay;
pub mod replay;
pub mod row_changes;
pub mod sagas;
pub mod services;
pub mod shards;
#[cfg(feature = "testing")]
pub mod simulated;
pub mod snapshot;
pub mod spans;
pub mod tables;
#[cfg(any(test, feature = "testing"))]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]
pub mod testing;
pub mod threads;
pub mod timers;
pub mod unit;

pub use clock::Clock;
pub use database::{Occupancy, PostgresAddress, Reading, ServiceDatabase, Striving};
pub use deployment::{Deployment, Home};
pub use error::StoreError;
pub use journal::Journal;
pub use lease::Lease;
pub use log::{
    Delivery, Destination, InboxPositions, Log, Message, PassedOver, Positions, Publisher,
    SourceStream, Stream, Subscription, Wants,
};
pub use mapping::Stored;
pub use replay::Loading;
pub use services::ServiceSchema;
