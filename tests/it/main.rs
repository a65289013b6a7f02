//! The acceptance tests: the public contract, seen from outside, on the embedded views or, with
//! `COUNTERFOIL_TEST_VIEWS=remote`, on MongoDB and Elasticsearch; on embedded databases or, with
//! `COUNTERFOIL_TEST_DATABASES=remote`, on PostgreSQL; at one node or, with
//! `COUNTERFOIL_TEST_NODES=3`, at three in turn; by sagas or, with
//! `COUNTERFOIL_TEST_COORDINATION=choreography`, without; on entities loaded from their rows or,
//! with `COUNTERFOIL_TEST_LOADING=replay:3`, from their events.
//!
//! One binary with a module per part of the contract. Every test talks HTTP to a node of its own,
//! or to one that the tests of its module share. What the nodes do inside is tested beside the
//! code.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is not as expected fails the test"
)]

mod backup;
mod books;
mod choreography;
mod cluster;
mod command_line;
mod consistency;
mod contract_commands;
mod contract_queries;
mod contract_refusals;
mod control_plane;
mod corrections;
mod credit;
mod customers_and_orders;
mod damage;
mod faults;
mod history;
mod https;
mod idempotency;
mod import;
mod kills;
mod layout;
mod metrics;
mod operated_views;
mod operations;
mod panics;
mod quarantine;
mod quarantined_views;
mod rebuild;
mod replaying;
mod sagas;
mod search;
mod settings;
mod standstill;
mod strictness;
mod traces;
mod view_stores;
mod waiting;
