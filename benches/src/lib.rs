//! What the benchmarks of this repository share.
//!
//! - [`load`]: the load generator (`--bin load`), which speaks the public HTTP contract and nothing
//!   else;
//! - [`floor`]: the floor server (`--bin floor`): the same rows in the same durable units as the
//!   product, without actors and views, to tell what a machine can do at best;
//! - [`cluster_floor`]: the same over PostgreSQL and Kafka, one process a node (`--bin
//!   cluster_floor`);
//! - [`growth`]: what nodes and shards cost that are added, by simulation (`--bin growth`);
//! - [`views`]: the views by themselves (`--bin views`): their throughput beside the bare client's,
//!   and API composition beside a view;
//! - [`lag`]: how far views are behind the commits, seen over HTTP (`--bin lag`);
//! - [`coordination`]: choreography against orchestration, and a bulk retry beside live orders
//!   (`--bin coordination`);
//! - [`plot`]: one picture of several runs (`--bin plot`).
//!
//! Nothing here is part of the product, and no crate of the product depends on it.

pub mod cluster_floor;
pub mod coordination;
pub mod floor;
pub mod growth;
pub mod lag;
pub mod latency;
pub mod load;
pub mod plot;
pub mod rate;
pub mod views;
