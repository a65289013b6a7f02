//! Runs decisions: shards on arbiters, and in each shard one supervised actor per entity and saga.
//! Which entities there are, a service says by implementing [`Entity`]; the shop's are in
//! `services`, which the feature `shop` brings in.
//!
//! A shard takes what has gathered for it (requests, messages of the log, timers), loads the
//! entities it lacks in one read, has their actors decide one after the other, and submits each
//! decision as a unit to the journal. It does not wait for the commit: actors go on from the state
//! *as if everything submitted will commit*. Answers and messages leave when the journal says so.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod answering;
pub mod cluster;
mod directory;
mod entities;
pub mod entity;
mod error;
mod loading;
pub mod metric_names;
mod node;
mod noting;
pub mod operator;
pub mod remote;
mod request;
mod requests;
mod saga;
#[cfg(feature = "shop")]
pub mod services;
mod shard;
#[cfg(feature = "testing")]
pub mod simulation;
mod step;
mod supervision;

pub use answering::Work;
pub use entity::{
    Answered, Decision, Done, Entity, Head, LocalRefusal, Notice, Overdue, PartNeeded, Seen, StepOf,
};
pub use error::CommandError;
pub use node::{
    CannotRun, Embedded, Neighbour, Node, NodeBuilder, NodeConfig, NodeParts, ShardSnapshot,
};
pub use noting::{Note, NotedOutcome, Noting};
pub use operator::{Operator, ParkedAction, SagaAction};
pub use request::{RequestBinding, SagaAnswer};
pub use requests::{Accepted, Doors, Follow, NotTakenIn, Requests};
#[cfg(feature = "shop")]
pub use services::gateway::{
    self, CustomerAnswer, Gateway, NewCustomer, NewOrder, OrderAccepted, OrderAnswer,
};
