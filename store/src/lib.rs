//! Everything durable on the command side: connections, tables, the journal, the outbox, the inbox and the log.

pub mod error;
pub mod log;

pub use error::StoreError;
pub use log::{Delivery, Destination, Log, Message, Positions, Subscription};
