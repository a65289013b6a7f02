//! How decisions are run: shards on arbiters, and in each shard one supervised actor per customer,
//! order and saga.
//!
//! A shard takes what has gathered for it (requests, messages of the log, timers), loads the
//! entities it lacks in one read, has their actors decide one after the other, and submits each
//! decision as a unit to the journal. It does not wait for the commit: actors go on from the state
//! *as if everything submitted will commit*. Answers and messages leave when the journal says so.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod customer;
mod customers;
mod directory;
pub mod gateway;
pub mod metric_names;
mod node;
mod order;
mod orders;
mod request;
mod saga;
mod shard;
mod step;
mod supervision;

pub use gateway::{
    Accepted, CommandError, CustomerAnswer, Follow, Gateway, NewCustomer, NewOrder, OrderAnswer,
    RequestBinding, SagaAnswer, Seen,
};
pub use node::{Node, NodeConfig, NodeParts, ShardSnapshot};
