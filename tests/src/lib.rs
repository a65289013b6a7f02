//! The tools of the acceptance tests: nodes as real processes, a thin HTTP client, the command
//! line.
//!
//! Everything here looks at the product from outside, through the public contract; neither it nor
//! the tests in `tests/it/` use its crates, so no test passes because of something that a caller
//! would not see. The simulator (`tests/simulator/`) does: it runs a node from within. It shares
//! the checks of what callers were told ([`Answers`]) with the soak (`tests/soak/`), which drives
//! real nodes.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: a helper that cannot go on stops its test with a message"
)]

mod answers;
mod api;
mod beside;
mod binary;
mod cli;
mod cluster;
mod collector;
mod coordination;
mod credit;
mod databases;
mod eventually;
mod http;
mod loading;
mod network;
mod node;
mod pieces;
mod response;
mod seen;
mod servers;
mod shared;
mod shop;
mod small_disk;
mod stores;
mod tls_proxy;
mod topics;
mod wire;

pub use answers::{Answers, Told, second_effects};
pub use api::{Api, Call};
pub use binary::Release;
pub use cli::{Cli, Ran};
pub use cluster::Cluster;
pub use collector::{Collector, Sent};
pub use coordination::{CHOREOGRAPHED, ORCHESTRATED, has_sagas};
pub use credit::CreditModel;
pub use eventually::{eventually, eventually_within};
pub use loading::replaying;
pub use node::Node;
pub use pieces::Pieces;
pub use response::{Response, cents, time};
pub use seen::Seen;
pub use servers::{NodeServer, OwnServer, OwnServers, Server};
pub use shared::Shared;
pub use shop::{Customer, Placed, in_state, reserved_cents};
pub use stores::ViewStores;
pub use tls_proxy::TlsProxy;
pub use topics::{Followed, Topics};
pub use wire::Wire;

/// The path of a file under `tests/data/`.
pub fn data_file(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data")
        .join(name)
}
