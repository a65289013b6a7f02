//! A saga within a saga, over two services and the log between them.

use uuid::Uuid;

use super::agency::{NOBODY, Needs, no_seat};
use super::*;
use crate::CommandError;

/// What the world does to messages: the outcome must be the same.
const WEATHERS: [&str; 3] = ["", "deliver-twice", "lose-message=3"];

/// What is left of the seats of tours and of groups, the states of the tour and of the group.
type Travelled = (u32, u32, String, String);

async fn travel(weather: &str, seats_of_tours: u32, seats_of_groups: u32) -> Travelled {
    let agency = Agency::open(weather).await;
    let mut seats = Vec::new();
    for (name, count) in [("tours", seats_of_tours), ("groups", seats_of_groups)] {
        let opened = agency.seats.create(count, Some(key(name)), Follow::Nothing);
        opened.await.unwrap();
        seats.push(key(name).key.as_uuid());
    }

    let [tour, group] = [1, 2].map(Uuid::from_u128);
    let needs = Needs {
        by: group,
        seats: seats[1],
        tour: Some(Box::new(Needs {
            by: tour,
            seats: seats[0],
            tour: None,
        })),
    };
    let accepted = agency.groups.create(needs, None, Follow::saga()).await;
    let ended = accepted.unwrap().ended_within(PATIENCE).await.unwrap();
    assert!(ended.saga_ended, "{weather}: {ended:?}");

    let mut left = Vec::new();
    for seats in seats {
        let seats = agency.seats.state(seats).await.unwrap().unwrap();
        left.push(seats.left);
    }
    let tour = agency.tours.state(tour).await.unwrap().unwrap();
    agency.close().await;
    (left[0], left[1], tour.state, ended.entity.state)
}

#[test]
fn a_nested_saga_completes_with_the_one_that_has_begun_it() {
    for weather in WEATHERS {
        let goes = "GOES".to_owned();
        let expected = (4, 4, goes.clone(), goes);
        assert_eq!(run(travel(weather, 5, 5)), expected, "{weather}");
    }
}

#[test]
fn a_nested_saga_that_compensates_has_the_one_that_began_it_compensate_for_its_reason() {
    for weather in WEATHERS {
        let expected = (0, 5, no_seat(), no_seat());
        assert_eq!(run(travel(weather, 0, 5)), expected, "{weather}");
    }
}

#[test]
fn a_nested_saga_that_has_completed_is_undone_when_a_later_step_is_refused() {
    for weather in WEATHERS {
        let expected = (5, 0, "UNDONE".to_owned(), no_seat());
        assert_eq!(run(travel(weather, 5, 0)), expected, "{weather}");
    }
}

#[test]
fn a_service_that_panics_outside_its_actors_fails_that_caller_and_nobody_else() {
    run(async {
        let agency = Agency::open("").await;
        let needs = |by| Needs {
            by,
            seats: Uuid::from_u128(2),
            tour: None,
        };

        let for_nobody = agency.tours.create(needs(NOBODY), None, Follow::Nothing);
        assert_eq!(for_nobody.await.unwrap_err(), CommandError::Failed);
        let somebody = needs(Uuid::from_u128(1));
        let accepted = agency.tours.create(somebody, None, Follow::Nothing);
        accepted.await.unwrap();

        let mut shards = agency.node.status.values();
        assert!(shards.all(|shard| shard.reloads.load(Ordering::Relaxed) == 0));
        agency.close().await;
    });
}

#[test]
fn an_answer_shows_what_the_saga_has_done_in_the_same_unit() {
    run(async {
        let agency = Agency::open("").await;
        let needs = Needs {
            by: Uuid::from_u128(1),
            seats: Uuid::from_u128(2),
            tour: None,
        };

        let accepted = agency.tours.create(needs, None, Follow::Nothing).await;
        let answer = accepted.unwrap().answered().await.unwrap();
        assert_eq!(
            (answer.seen[0].version, answer.entity.state.as_str()),
            (2, "GOES")
        );
        agency.close().await;
    });
}
