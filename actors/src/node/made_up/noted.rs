//! What operators do to things that no shard owns is kept before it is done, and when it is; each
//! once for its key, whatever is repeated and whenever the node dies.

use store::actions::{ActionFilter, StoredAction, list, named};
use uuid::Uuid;

use super::*;
use crate::{Note, NotedOutcome, Noting, Operator};

fn note(id: Uuid, action: &str) -> Note {
    let subject = named("thing", "a");
    Note {
        id,
        action: action.to_owned(),
        subject,
        entity: subject,
        by: Operator::anonymous().because("it was due"),
        detail: r#"{"after":1}"#.to_owned(),
    }
}

fn asked(id: Uuid) -> Noting {
    Noting::Before(note(id, "thing.repair-asked"))
}

fn done(id: Uuid) -> Noting {
    Noting::After(note(id, "thing.repaired"))
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

impl Agency {
    async fn note(&self, key: RequestBinding, noting: Noting) -> Option<NotedOutcome> {
        self.tours.note(key, noting).await.unwrap()
    }

    /// What is kept, each by its name and id.
    async fn kept(&self) -> Vec<(String, Uuid)> {
        let tours = self.parts.databases.iter();
        let mut tours = tours.filter(|database| database.service == TOURS);
        let tours = tours.next().unwrap();
        let all = list(tours, ActionFilter::default(), 100).await.unwrap();
        let shown = |StoredAction { id, action }: StoredAction| {
            assert_eq!(action.reason.as_deref(), Some("it was due"));
            (action.action, id)
        };
        let mut all: Vec<_> = all.into_iter().map(shown).collect();
        all.sort();
        all
    }
}

fn kept(action: &str, number: u128) -> (String, Uuid) {
    (action.to_owned(), id(number))
}

#[test]
fn what_was_asked_for_is_kept_until_it_is_known_what_has_come_of_it() {
    run(async {
        let agency = Agency::open("").await;

        assert_eq!(agency.note(key("a"), asked(id(1))).await, None);
        assert_eq!(agency.kept().await, [kept("thing.repair-asked", 1)]);

        let outcome = agency.note(key("a"), done(id(1))).await.unwrap();
        assert_eq!(outcome.action, "thing.repaired");
        assert_eq!(agency.kept().await, [kept("thing.repaired", 1)]);

        // What is known not to have happened leaves nothing, however often that is told.
        assert_eq!(agency.note(key("b"), asked(id(2))).await, None);
        for _ in 0..2 {
            assert_eq!(agency.note(key("b"), Noting::Never(id(2))).await, None);
        }
        assert_eq!(agency.kept().await, [kept("thing.repaired", 1)]);
        agency.close().await;
    });
}

#[test]
fn a_request_that_comes_twice_is_kept_once_and_hears_what_came_of_the_first() {
    run(async {
        let agency = Agency::open("").await;

        // Both are under way at the same time.
        agency.note(key("a"), asked(id(1))).await;
        agency.note(key("a"), asked(id(2))).await;
        let first = agency.note(key("a"), done(id(2))).await;
        let second = agency.note(key("a"), done(id(1))).await;
        assert!(first.is_some());
        assert_eq!(second, first);
        assert_eq!(agency.kept().await, [kept("thing.repaired", 2)]);

        // A repeat, and a question that was read late.
        assert_eq!(agency.note(key("a"), asked(id(3))).await, first);
        assert_eq!(agency.note(key("a"), asked(id(2))).await, first);
        assert_eq!(agency.note(key("a"), Noting::Never(id(2))).await, first);
        assert_eq!(agency.kept().await, [kept("thing.repaired", 2)]);
        agency.close().await;
    });
}

#[test]
fn one_that_is_refused_takes_nothing_back_but_its_own() {
    run(async {
        let agency = Agency::open("").await;
        agency.note(key("a"), asked(id(1))).await;
        agency.note(key("a"), asked(id(2))).await;

        // Whoever has asked for the second may have died when it had happened.
        agency.note(key("a"), Noting::Never(id(1))).await;
        assert_eq!(agency.kept().await, [kept("thing.repair-asked", 2)]);
        agency.close().await;
    });
}

#[test]
fn what_was_kept_outlives_the_node() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let schemas = [SEATS, TOURS, GROUPS].map(ServiceSchema::new);

        let open = async || {
            let opened = NodeParts::embedded(&schemas, folder.path(), SHARDS).await;
            let other = tempfile::tempdir().unwrap();
            Agency::on(opened.unwrap().parts, other, 1).await
        };
        let agency = open().await;
        agency.note(key("a"), asked(id(1))).await;
        let outcome = agency.note(key("a"), done(id(1))).await;
        agency.note(key("b"), asked(id(2))).await;
        agency.close().await;

        let agency = open().await;
        assert_eq!(agency.note(key("a"), asked(id(3))).await, outcome);
        assert_eq!(agency.note(key("b"), asked(id(4))).await, None);
        let all = [
            kept("thing.repair-asked", 2),
            kept("thing.repair-asked", 4),
            kept("thing.repaired", 1),
        ];
        assert_eq!(agency.kept().await, all);
        agency.close().await;
    });
}
