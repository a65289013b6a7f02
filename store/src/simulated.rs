//! A service's stores for simulations: everything in memory, on the thread that asks, and with the
//! faults that a [`Trouble`] decides on.
//!
//! What is simulated stands behind the ports: a database ([`memory`]), the commit store on it
//! ([`store`]), the log ([`log`]) and the clock ([`clock`]). The journal, the inbox and everything
//! above are those of production, and cannot tell.

pub mod clock;
pub mod dice;
mod disk;
mod lease;
pub mod log;
pub mod memory;
pub mod mischief;
mod network;
mod outbox;
mod sqlite_rows;
pub mod store;
pub mod threads;

use std::fmt;
use std::time::Duration;

pub use clock::SimulatedClock;
pub use dice::Dice;
pub use disk::MemoryStore;
pub use lease::LeaseServer;
pub use log::SimulatedLog;
pub use memory::{MemoryDatabase, Template};
pub use mischief::Mischief;
pub use network::{Network, Seat};
pub use store::SimulatedStore;
pub use threads::NoThreads;

/// What befalls a call of a commit store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFate {
    /// It has no answer for so long.
    pub stands: Duration,
    /// How it ends.
    pub end: CallEnd,
}

/// How a call of a commit store ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallEnd {
    /// As it should.
    #[default]
    Well,
    /// Nothing of it has happened.
    Fails,
    /// It has happened, and the caller cannot know.
    Unknown,
    /// Nothing of it has happened, and the caller cannot know.
    UnknownAndLost,
    /// It panics before it has done anything.
    PanicsBefore,
    /// It panics when all is done.
    PanicsAfter,
}

/// What befalls a delivery of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryFate {
    /// It arrives after a while; others may overtake it.
    Arrives(Duration),
    /// It arrives twice, at both times.
    Twice(Duration, Duration),
    /// It is lost.
    Lost,
}

/// Decides what goes wrong. It is asked in an order that the simulated work alone determines.
pub trait Trouble: fmt::Debug + Send + Sync {
    /// Of a call of a commit store that claims, prunes or writes.
    fn call(&self, store: &str) -> CallFate;

    /// Whether a query is answered, or its connection is lost.
    fn answers(&self, store: &str) -> bool;

    /// Of a delivery.
    fn delivery(&self) -> DeliveryFate;
}

/// Nothing goes wrong: for whoever looks from outside.
#[derive(Debug)]
pub struct NoTrouble;

impl Trouble for NoTrouble {
    fn call(&self, _: &str) -> CallFate {
        CallFate::default()
    }

    fn answers(&self, _: &str) -> bool {
        true
    }

    fn delivery(&self) -> DeliveryFate {
        DeliveryFate::Arrives(Duration::ZERO)
    }
}
