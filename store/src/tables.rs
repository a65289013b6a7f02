//! The tables, one SeaORM entity each: the one description from which they are created, loaded,
//! queried and written.
//!
//! Columns hold plain values (`Uuid`, `i64`, text); the mapping to entities lies beside the
//! functions that load them.

#![expect(
    clippy::disallowed_methods,
    reason = "SeaORM's derive writes methods that open transactions; nothing calls them"
)]

pub mod action;
pub mod bulk;
pub mod entity;
pub mod entity_snapshot;
pub mod history;
pub mod history_index;
pub mod inbox;
pub mod outbox;
pub mod parked;
pub mod saga;
pub mod setting;
pub mod shard;
pub mod timer;
