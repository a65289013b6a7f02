//! Shards that go away while somebody asks them, and come back.
//!
//! All shards run on the thread of the test, so that what it says happens before any of them has a
//! turn.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use futures_util::future::{BoxFuture, ready};
use store::cluster::{Membership, Participation, Transport};
use uuid::Uuid;

use super::agency::Needs;
use super::*;

/// Gives all shards to the node, or none.
#[derive(Debug)]
pub(super) struct Given {
    to: watch::Sender<Assigned>,
    /// Says of none any more that it is the node's.
    is_silent: AtomicBool,
}

impl Given {
    pub(super) fn give(&self, tenure: u64) {
        let services = [SEATS, TOURS, GROUPS];
        let all = services.map(|service| ShardId::all_of(service, SHARDS));
        let all = all.into_iter().flatten().map(|shard| (shard, tenure));
        self.to.send_replace(Arc::new(all.collect()));
    }

    pub(super) fn take_away(&self) {
        self.to.send_replace(Assigned::default());
    }

    pub(super) fn confirm_nothing(&self) {
        self.is_silent.store(true, Ordering::Relaxed);
    }
}

impl Membership for Given {
    fn assigned(&self) -> watch::Receiver<Assigned> {
        self.to.subscribe()
    }

    fn confirm(&self, _: ShardId) -> BoxFuture<'_, bool> {
        ready(!self.is_silent.load(Ordering::Relaxed)).boxed()
    }

    fn participation(&self) -> Participation {
        Participation::Full
    }
}

/// Brings questions back to the node that asks, before the shards come back to it.
#[derive(Debug)]
pub(super) struct ThereAndBack {
    given: Arc<Given>,
    itself: OnceLock<Arc<dyn Transport>>,
    doors: OnceLock<Doors>,
    /// So many questions come to the owner before.
    too_late: AtomicUsize,
    questions: Mutex<Vec<(ShardId, Vec<u8>)>>,
    answers: watch::Sender<Vec<String>>,
}

impl Transport for ThereAndBack {
    fn ask(&self, shard: ShardId, question: Vec<u8>) -> bool {
        let (doors, itself) = (self.doors.get().unwrap(), self.itself.get().unwrap());
        let (order, itself) = (Ordering::Relaxed, Arc::clone(itself));
        let too_late = |left: usize| left.checked_sub(1);
        match self.too_late.fetch_update(order, order, too_late) {
            Ok(_) => doors.asked_before(shard, 2, &question, itself).unwrap(),
            Err(_) => doors.asked(shard, 2, &question, itself).unwrap(),
        }
        self.questions.lock().unwrap().push((shard, question));
        self.given.give(2);
        true
    }

    fn answer(&self, _: &str, service: Service, answer: Vec<u8>) {
        let text = String::from_utf8(answer.clone()).unwrap();
        self.answers.send_modify(|answers| answers.push(text));
        self.doors
            .get()
            .unwrap()
            .answered(service, &answer)
            .unwrap();
    }
}

pub(super) async fn moving_agency() -> (Agency, Arc<Given>, Arc<ThereAndBack>) {
    moving_agency_under("").await
}

async fn moving_agency_under(faults: &str) -> (Agency, Arc<Given>, Arc<ThereAndBack>) {
    let folder = tempfile::tempdir().unwrap();
    let schemas = [SEATS, TOURS, GROUPS].map(ServiceSchema::new);
    let faults = Faults::new(faults.parse().unwrap());
    let opened = NodeParts::embedded_with_faults(&schemas, folder.path(), SHARDS, faults).await;
    let given = Arc::new(Given {
        to: watch::channel(Assigned::default()).0,
        is_silent: AtomicBool::new(false),
    });
    given.give(1);
    let wire = Arc::new(ThereAndBack {
        given: Arc::clone(&given),
        itself: OnceLock::new(),
        doors: OnceLock::new(),
        too_late: AtomicUsize::new(0),
        questions: Mutex::default(),
        answers: watch::channel(Vec::new()).0,
    });

    let parts = NodeParts {
        membership: given.clone(),
        transport: Some(wire.clone()),
        ..opened.unwrap().parts
    };
    let agency = Agency::on(parts, folder, 0).await;
    wire.itself.set(wire.clone()).unwrap();
    wire.doors.set(agency.node.doors()).unwrap();
    (agency, given, wire)
}

#[test]
fn whoever_asks_a_shard_that_moves_is_answered_by_its_next_owner() {
    run(async {
        let (agency, given, wire) = moving_agency().await;
        let seats = agency.seats.create(1, Some(key("seats")), Follow::Nothing);
        seats.await.unwrap();
        assert!(wire.questions.lock().unwrap().is_empty());

        // Nobody here has heard of it when the request is sent.
        given.take_away();
        let needs = Needs {
            by: Uuid::from_u128(7),
            seats: key("seats").key.as_uuid(),
            tour: None,
        };
        let accepted = agency
            .tours
            .create(needs, Some(key("tour")), Follow::saga());
        let ended = accepted
            .await
            .unwrap()
            .ended_within(PATIENCE)
            .await
            .unwrap();
        assert_eq!(ended.entity.state, "GOES");
        assert!(!ended.repeated, "{ended:?}");
        assert_eq!(wire.questions.lock().unwrap().len(), 1);
        agency.close().await;
    });
}

#[test]
fn a_question_that_the_owner_before_has_answered_has_no_second_effect() {
    run(async {
        let (agency, given, wire) = moving_agency().await;
        given.take_away();
        let created = agency.seats.create(1, None, Follow::Nothing).await.unwrap();
        assert!(!created.answered().await.unwrap().repeated);

        // The next owner reads it, too, and has nothing in memory.
        given.take_away();
        agency.node.closed().await;
        given.give(3);
        agency.node.opened().await;
        let (shard, question) = wire.questions.lock().unwrap()[0].clone();
        let doors = agency.node.doors();
        doors.asked(shard, 3, &question, wire.clone()).unwrap();

        let mut answers = wire.answers.subscribe();
        let answers = answers.wait_for(|answers| answers.len() > 1).await;
        let second = answers.unwrap()[1].clone();
        let told: serde_json::Value = serde_json::from_str(&second).unwrap();
        assert!(told["told"]["answer"]["Ok"].is_object(), "{told}");
        agency.close().await;
    });
}

#[test]
fn a_question_that_came_to_the_owner_before_is_asked_again() {
    run(async {
        let (agency, given, wire) = moving_agency().await;
        wire.too_late.store(2, Ordering::Relaxed);
        given.take_away();
        let created = agency.seats.create(1, Some(key("seats")), Follow::Nothing);
        assert!(!created.await.unwrap().answered().await.unwrap().repeated);

        // Each time it is another question: a late answer of the owner before is nobody's.
        let questions = wire.questions.lock().unwrap().clone();
        let ids: BTreeSet<_> = questions
            .iter()
            .map(|(_, question)| {
                let question: serde_json::Value = serde_json::from_slice(question).unwrap();
                question["question"]["id"].to_string()
            })
            .collect();
        assert_eq!((questions.len(), ids.len()), (3, 3), "{questions:?}");
        agency.close().await;
    });
}

#[test]
fn a_question_to_a_tenure_that_is_over_is_let_go_of() {
    run(async {
        let (agency, given, wire) = moving_agency().await;
        given.take_away();
        let seats = agency.seats.create(1, Some(key("seats")), Follow::Nothing);
        seats.await.unwrap();
        let (shard, question) = wire.questions.lock().unwrap()[0].clone();
        let question = String::from_utf8(question).unwrap();
        let id = |name: &str| key(name).key.as_uuid();
        let doors = agency.node.doors();
        let ask = |tenure: u64, name: &str| {
            let of_another = question.replace(&id("seats").to_string(), &id(name).to_string());
            let question = of_another.as_bytes();
            doors.asked(shard, tenure, question, wire.clone()).unwrap();
        };

        given.take_away();
        agency.node.closed().await;
        ask(2, "too late");
        ask(4, "early");
        given.give(3);
        agency.node.opened().await;
        ask(2, "even later");
        ask(3, "in time");
        let mut answers = wire.answers.subscribe();
        answers.wait_for(|answers| answers.len() > 1).await.unwrap();
        given.give(4);
        answers.wait_for(|answers| answers.len() > 2).await.unwrap();

        let mut found = Vec::new();
        for name in ["too late", "even later", "in time", "early"] {
            found.push(agency.seats.state(id(name)).await.unwrap().is_some());
        }
        assert_eq!(found, [false, false, true, true]);
        agency.close().await;
    });
}

fn reloads(agency: &Agency) -> u64 {
    let shards = agency.node.snapshot();
    shards.iter().map(|shard| shard.reloads).sum()
}

#[test]
fn a_shard_that_nobody_has_taken_over_since_reloads_though_nobody_confirms_it() {
    run(async {
        let (agency, given, _) = moving_agency_under("fail-commit=2").await;
        given.confirm_nothing();
        let before = reloads(&agency);
        for name in ["one", "two", "three", "four"] {
            let created = agency.seats.create(1, Some(key(name)), Follow::Nothing);
            created.await.unwrap();
        }
        assert!(reloads(&agency) > before, "no commit has failed");
        agency.close().await;
    });
}

#[test]
fn a_shard_that_another_node_has_taken_over_reloads_when_it_is_confirmed() {
    run(async {
        let (agency, given, _) = moving_agency().await;
        given.confirm_nothing();
        let file = agency.folder.path().join("seats.db");
        let other = rusqlite::Connection::open(file).unwrap();
        let taken = other.execute("UPDATE shards SET epoch = epoch + 1", []);
        assert_eq!(taken.unwrap(), usize::from(SHARDS));

        let created = agency.seats.create(1, Some(key("seats")), Follow::Nothing);
        let confirmed = async {
            let unconfirmed = |(_, trouble): &(_, String)| trouble.contains("nobody confirms");
            while !agency.node.troubles().iter().any(unconfirmed) {
                tokio::task::yield_now().await;
            }
            let (open, all) = agency.node.open_shards();
            assert!(open < all, "{open} of {all} shards are served");
            given.is_silent.store(false, Ordering::Relaxed);
        };
        let (created, ()) = tokio::join!(created, confirmed);
        created.unwrap();
        agency.node.opened().await;
        agency.close().await;
    });
}
