//! The commit stores of this crate.

use std::sync::Arc;

use tokio::runtime::Runtime;

use super::Open;
use crate::ServiceDatabase;
use crate::journal::testing::SHARDS;
use crate::testing::{BOOKINGS_SCHEMA, Ground};

commit_store_contract!(sqlite, |runtime| super::empty(
    runtime,
    super::Ground::folder()
));
commit_store_contract!(
    postgres,
    |runtime| super::empty(runtime, super::Ground::postgres()),
    #[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
);

/// An empty database on a ground of its own.
fn empty(runtime: &Runtime, ground: Arc<Ground>) -> (ServiceDatabase, Open) {
    let database = runtime
        .block_on(ground.open(BOOKINGS_SCHEMA, SHARDS))
        .unwrap();

    let writing = database.clone();
    let open: Open = Box::new(move |faults| {
        // The ground lives as long as the place does.
        let _ = &ground;
        writing.commit_store(faults).unwrap()
    });
    (database, open)
}
