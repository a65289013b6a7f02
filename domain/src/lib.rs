//! The domain: what customers, orders and sagas decide, and the messages they exchange.
//!
//! Everything here is pure: a decision takes the state and a command and gives an event or a
//! refusal. There is no clock, no database, no runtime; times and ids come in as values. The crates
//! around it run these decisions (`actors`), make them durable (`store`) and show them
//! (`projections`).

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod choreography;
pub mod customer;
pub mod ids;
pub mod messages;
pub mod money;
pub mod order;
pub mod saga;
pub mod upcasting;

pub use choreography::Coordination;
pub use customer::{Customer, CustomerEvent};
pub use ids::{CUSTOMERS, CustomerId, ORDERS, OrderId, SERVICES};
pub use money::Money;
pub use order::{Order, OrderEvent, OrderLine, OrderState, RejectionReason};
pub use sagas::{MessageId, SagaId, Service, ShardId, Timestamp, countermeasures, time, wire};
