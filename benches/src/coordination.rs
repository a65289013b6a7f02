//! How sagas and choreographies are coordinated, and what operators do beside callers: measured on
//! nodes that the program starts itself, on new data directories.
//!
//! - [`ways`]: choreography against orchestration: rate, latency, units, transactions and messages
//!   per order, taking turns in one run;
//! - [`bulk`]: a bulk retry of many stuck sagas beside live orders: what their callers notice.

pub mod bulk;
pub mod counters;
pub mod node;
pub mod options;
pub mod ways;
