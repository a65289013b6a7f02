//! The document view in MongoDB.
//!
//! Each generation has two collections. `customers_<n>` has a customer with its newest orders
//! embedded:
//!
//! ```text
//! {_id: "<uuid>", name, creditLimit: {amount: "12.34", cents: 1234}, availableCredit: {amount, cents}, version,
//!  creationTime, createdAt, nameFolded, largestOrder,
//!  orders: {"<uuid>": {orderId, state, orderTotal: {amount, cents}, rejectionReason?, creationTime, createdAt, version}}}
//! ```
//!
//! and `orders_<n>` has every order whole. Ids are texts, so that people find them; an amount is
//! the text of the API, with the cents beside it that queries compare; a BSON date counts
//! milliseconds, so `createdAt` has the microseconds. People look at the answering generation
//! through the views `customers` and `orders`; nothing of ours does.
//!
//! # One effect, whatever is repeated
//!
//! There are no transactions here: each document is written by itself, guarded by the version of
//! its source. A customer document has many sources, the customer and its orders, and each part of
//! it is guarded by its own. The orders shown are the hundred newest of those embedded so far and
//! those that come. Some more are in the document, until it is cut down to the newest: an order
//! leaves only for a hundred newer ones, which leave for still newer ones at most, so a late event
//! may put it into the document again, and never shows it again. A document that holds only orders
//! has no `createdAt` and is no customer. So a batch may be written in part, twice, or in any
//! order, and what it leaves in the end is the same.
//!
//! A commit writes (1) the positions it is *reaching*, (2) customers, (3) orders, (4) quarantine,
//! (5) the *positions*, in this order, which is that of the server's log too; all documents are
//! durable before the positions, and positions never go back. When another commit follows at once,
//! the fifth step is part of its first. From this order follows:
//! - A crash anywhere repeats the batch, as the positions were not stored.
//! - An order's own document of some version says that its customer's document has that version of
//!   it too. So the version of the order's document is the one that readers wait for, and it is
//!   right to take an event for a duplicate that is not newer.
//! - Whoever reads documents first and then what was being reached has positions that cover all it
//!   has seen, half a batch included. These are given to callers, whose next read waits until the
//!   batch is there in whole.

use std::time::Duration;

mod bulk;
mod connection;
mod document_slices;
mod errors;
mod generations;
mod indexes;
mod names;
mod ownership;
mod positions;
mod quarantine;
mod queries;
mod reader;
mod room;
mod shapes;
#[cfg(test)]
pub(crate) mod testing;
mod updates;
mod writer;

pub use connection::InvalidUrl;
pub use generations::MongoDocumentStore;

/// How this store is named in `GET /views`.
pub const BACKEND: &str = "mongodb";

/// How long a query may take. Nothing else tells that a server hangs.
const READ_BOUND: Duration = Duration::from_secs(5);
/// How long one command may take that belongs to a commit, or that keeps generations.
const WRITE_BOUND: Duration = Duration::from_secs(30);

/// The collections of one generation.
#[derive(Clone, Debug)]
struct Names {
    generation: u32,
    customers: String,
    orders: String,
}

impl Names {
    fn of(generation: u32) -> Self {
        Names {
            generation,
            customers: format!("customers_{generation}"),
            orders: format!("orders_{generation}"),
        }
    }
}

#[cfg(test)]
mod tests;
