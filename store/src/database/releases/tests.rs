//! Three releases: the first has not heard of what the second reads, and the third reads more.

use std::sync::Arc;

use super::*;
use crate::ServiceDatabase;
use crate::faults::Faults;
use crate::journal::commit_store::{Batch, Failure};
use crate::journal::testing::{SHARDS, outgoing, patience, shard, unit};
use crate::testing::{BOOKINGS_SCHEMA, Ground};
use crate::unit::Unit;

const FIRST: ServiceSchema =
    BOOKINGS_SCHEMA.with_messages(&[&[("room.taken", 1)], &[("room.left", 1)]]);
const SECOND: ServiceSchema =
    BOOKINGS_SCHEMA.with_messages(&[&[("room.taken", 2), ("room.left", 1)]]);
const THIRD: ServiceSchema =
    BOOKINGS_SCHEMA.with_messages(&[&[("room.taken", 2), ("room.left", 1), ("room.cleaned", 1)]]);

/// Whether a node of this release may go on that finds this database.
async fn starts(ground: &Ground, release: ServiceSchema) -> Result<(), String> {
    match ground.open(release, SHARDS).await {
        Ok(database) => {
            let reads = database.is_prepared_for(SHARDS).await;
            reads.expect("whoever may write may read");
            database.close().await;
            Ok(())
        }
        Err(StoreError::Configuration(line)) => Err(line),
        Err(other) => panic!("not refused for its release: {other}"),
    }
}

/// A node that has the database open writes an event of this name and version.
async fn writes(database: &ServiceDatabase, event: (&'static str, u16)) {
    try_to_write(database, event, Faults::default())
        .await
        .unwrap();
}

async fn try_to_write(
    database: &ServiceDatabase,
    (name, version): (&'static str, u16),
    faults: Faults,
) -> Result<(), Failure> {
    let owned = shard(1);
    let mut store = database.commit_store(faults).unwrap();
    let claim = store.claim(owned, "test", None, &patience()).await.unwrap();

    let mut sent = outgoing(claim.next_sequence, claim.next_sequence, &[]);
    sent.events[0].name = name;
    sent.events[0].type_version = version;
    let written = Unit {
        outgoing: Some(sent),
        ..unit(owned, claim.epoch, 1)
    };

    let batch = Batch {
        units: &[written],
        published: &[],
    };
    store.write(&batch, &patience()).await
}

async fn a_release_is_refused_once_it_does_not_read_what_was_written(ground: Arc<Ground>) {
    let node = ground.open(THIRD, SHARDS).await.unwrap();
    writes(&node, ("room.taken", 1)).await;
    assert_eq!(starts(&ground, FIRST).await, Ok(()));

    // What is not committed is not noted either.
    let fails = Faults::new("fail-commit=1".parse().unwrap());
    let failed = try_to_write(&node, ("room.taken", 2), fails).await;
    failed.unwrap_err();
    assert_eq!(starts(&ground, FIRST).await, Ok(()));

    writes(&node, ("room.taken", 2)).await;
    writes(&node, ("room.taken", 1)).await;
    let refused = starts(&ground, FIRST).await.unwrap_err();
    let expected = "was written by a newer release: it has messages room.taken of version 2, and \
                    this release reads versions up to 1; start that one";
    assert!(refused.contains(expected), "{refused}");
    assert_eq!(starts(&ground, SECOND).await, Ok(()));

    writes(&node, ("room.cleaned", 1)).await;
    let refused = starts(&ground, SECOND).await.unwrap_err();
    let expected = "messages room.cleaned of version 1, and this release does not know them";
    assert!(refused.contains(expected), "{refused}");
    assert_eq!(starts(&ground, THIRD).await, Ok(()));

    let only_reads = ServiceDatabase {
        schema: SECOND,
        ..node
    };
    let refused = only_reads.is_prepared_for(SHARDS).await.unwrap_err();
    assert!(refused.to_string().contains("room.cleaned"), "{refused}");
}

#[tokio::test]
async fn a_release_is_refused_once_it_does_not_read_what_was_written_to_a_file() {
    a_release_is_refused_once_it_does_not_read_what_was_written(Ground::folder()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
async fn a_release_is_refused_once_it_does_not_read_what_was_written_to_a_server() {
    a_release_is_refused_once_it_does_not_read_what_was_written(Ground::postgres()).await;
}
