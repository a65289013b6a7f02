//! Callers that wait for the end of a saga, and what they hold meanwhile.

use std::sync::Arc;

use uuid::Uuid;

use super::agency::Needs;
use super::moving::moving_agency;
use super::*;
use crate::requests::ANSWERS_WITHIN;
use crate::{CommandError, Work};

fn needs() -> Needs {
    Needs {
        by: Uuid::from_u128(7),
        seats: key("seats").key.as_uuid(),
        tour: None,
    }
}

async fn is_free(held: &Arc<()>) {
    let free = async {
        while Arc::strong_count(held) > 1 {
            tokio::task::yield_now().await;
        }
    };
    let free = tokio::time::timeout(PATIENCE, free).await;
    free.expect("it is held");
}

#[test]
fn what_a_caller_holds_is_free_when_its_command_is_carried_out_though_nobody_is_woken() {
    run(async {
        let agency = Agency::open("").await;
        let held = Arc::new(());
        let work = Follow::Saga(Work::new(Arc::clone(&held)));
        let accepted = agency.tours.create(needs(), None, work).await.unwrap();
        is_free(&held).await;
        let ended = accepted.ended_within(PATIENCE).await.unwrap();
        assert!(ended.saga_ended, "{ended:?}");
        agency.close().await;
    });
}

#[test]
fn what_a_caller_holds_is_free_when_the_caller_goes_whatever_becomes_of_its_command() {
    run(async {
        let (agency, given, _) = moving_agency().await;
        // The shards are the node's, and do not open.
        given.take_away();
        agency.node.closed().await;
        given.confirm_nothing();
        given.give(2);
        let waits = |(_, trouble): &(_, String)| trouble.contains("nobody confirms");
        while !agency.node.troubles().iter().any(waits) {
            tokio::task::yield_now().await;
        }

        let held = Arc::new(());
        let work = Follow::Saga(Work::new(Arc::clone(&held)));
        let accepted = agency.tours.create(needs(), None, work).await.unwrap();
        assert_eq!(Arc::strong_count(&held), 2);
        assert_eq!(agency.tours.awaited(), 0, "it is this node's");
        drop(accepted);
        is_free(&held).await;
        agency.close().await;
    });
}

#[test]
fn a_caller_that_waits_for_an_end_hears_at_once_that_its_command_has_failed() {
    run(async {
        let agency = Agency::open("").await;
        let file = agency.folder.path().join("tours.db");
        let other = rusqlite::Connection::open(file).unwrap();
        let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON sagas \
            BEGIN SELECT RAISE(ABORT, 'the test says no'); END";
        other.execute_batch(refuse).unwrap();

        let accepted = agency.tours.create(needs(), None, Follow::saga()).await;
        let failed = accepted.unwrap().ended_within(PATIENCE);
        let failed = tokio::time::timeout(ANSWERS_WITHIN / 2, failed).await;
        let failed = failed.expect("it sleeps until it looks by itself");
        assert_eq!(failed.unwrap_err(), CommandError::Failed);
        agency.close().await;
    });
}
