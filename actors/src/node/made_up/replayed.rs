//! Entities that a service keeps as JSON come by replay, too, with what their rows remember.

use std::num::NonZeroU64;

use super::*;
use crate::entity::Entity;
use crate::loading::Source;

#[test]
fn an_entity_kept_as_json_is_the_same_by_its_row_and_by_its_events() {
    run(async {
        let agency = Agency::open("").await;
        let hall = agency.seats.create(5, Some(key("hall")), Follow::Nothing);
        let id = hall
            .await
            .unwrap()
            .answered()
            .await
            .unwrap()
            .entity
            .head()
            .id;
        let larger = agency
            .seats
            .ask(id, 7, Some(key("larger")), Follow::Nothing);
        larger.await.unwrap();

        let mut databases = agency.parts.databases.iter();
        let database = databases.find(|database| database.service == SEATS);
        for loading in [
            Loading::Row,
            Loading::Replay {
                snapshot_every: None,
            },
            Loading::Replay {
                snapshot_every: NonZeroU64::new(1),
            },
        ] {
            let source = Source {
                database: database.unwrap(),
                shard: ShardId::of(SEATS, id, SHARDS),
                loading,
            };
            let found = source.load::<Seats>(&[id]).await.unwrap();
            let stored = &found[&id].as_ref().unwrap().stored;
            let seats = &stored.entity;
            assert_eq!((seats.left, seats.head().version), (7, 2), "{loading}");
            assert!(stored.created_by.is_some(), "{loading}");
            assert_eq!(stored.remembered.len(), 1, "{loading}");
        }
        agency.close().await;
    });
}
