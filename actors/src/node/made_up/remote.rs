//! Questions and answers that cross nodes, as bytes: a door without shards asks the node that has
//! them.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, OnceLock, Weak};

use store::cluster::{Alone, Membership, Transport};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::agency::Needs;
use super::*;
use crate::remote::Awaited;
use crate::requests::{Door, Inner};
use crate::{CommandError, Operator, SagaAction};

/// Carries questions and answers, as bytes alone.
#[derive(Debug, Default)]
struct Wire {
    itself: OnceLock<Weak<Wire>>,
    owner: OnceLock<Doors>,
    asking: OnceLock<Requests<Tour>>,
    answers: Mutex<Vec<String>>,
    is_cut: AtomicBool,
}

impl Transport for Wire {
    fn ask(&self, shard: ShardId, question: Vec<u8>) -> bool {
        if self.is_cut.load(Ordering::Relaxed) {
            return false;
        }
        let itself = self.itself.get().and_then(Weak::upgrade).unwrap();
        let owner = self.owner.get().unwrap();
        owner.asked(shard, 1, &question, itself).unwrap();
        true
    }

    fn answer(&self, node: &str, service: Service, answer: Vec<u8>) {
        assert_eq!((node, service), ("far away", TOURS));
        let text = String::from_utf8(answer.clone()).unwrap();
        self.answers.lock().unwrap().push(text);
        Door::answered(self.asking.get().unwrap(), &answer).unwrap();
    }
}

/// A door of another node, which owns no shard.
fn far_away(agency: &Agency) -> (Requests<Tour>, Arc<Wire>) {
    let wire = Arc::new(Wire::default());
    let tours = |service| service == TOURS;
    let mut stores = agency.parts.databases.iter().zip(&agency.parts.journals);
    let (database, journal) = stores
        .find(|(database, _)| tours(database.service))
        .unwrap();

    let asking = Requests::new(Inner {
        node: "far away".to_owned(),
        shards: SHARDS,
        senders: HashMap::new(),
        assigned: Alone::with([], SHARDS).assigned(),
        database: database.clone(),
        loading: store::Loading::Row,
        journal: Some(journal.clone()),
        clock: agency.parts.clock.clone(),
        release: CancellationToken::new(),
        transport: Some(wire.clone()),
        awaited: Awaited::default(),
    });
    wire.itself.set(Arc::downgrade(&wire)).unwrap();
    wire.owner.set(agency.node.doors()).unwrap();
    wire.asking.set(asking.clone()).unwrap();
    (asking, wire)
}

fn needs(seats: Uuid) -> Needs {
    Needs {
        by: Uuid::from_u128(7),
        seats,
        tour: None,
    }
}

#[test]
fn a_command_of_another_node_is_carried_out_and_answered_there() {
    run(async {
        let agency = Agency::open("").await;
        let opened = agency.seats.create(1, Some(key("seats")), Follow::Nothing);
        opened.await.unwrap();
        let (tours, wire) = far_away(&agency);
        let needs = needs(key("seats").key.as_uuid());

        let accepted = tours.create(needs.clone(), Some(key("tour")), Follow::saga());
        let ended = accepted
            .await
            .unwrap()
            .ended_within(PATIENCE)
            .await
            .unwrap();
        assert!(ended.saga_ended && !ended.repeated, "{ended:?}");
        assert_eq!(ended.entity.state, "GOES");
        assert_eq!(
            wire.answers.lock().unwrap().len(),
            2,
            "the answer, and the end"
        );

        // The same key from the node that owns the shard: it had its effect.
        let again = agency
            .tours
            .create(needs.clone(), Some(key("tour")), Follow::saga());
        let again = again.await.unwrap().ended_within(PATIENCE).await.unwrap();
        assert!(again.repeated && again.saga_ended, "{again:?}");

        // And from the one that does not: the saga has ended, so there is no end to be told of.
        let again = tours.create(needs.clone(), Some(key("tour")), Follow::saga());
        let again = again.await.unwrap().ended_within(10 * PATIENCE);
        let again = tokio::time::timeout(PATIENCE, again)
            .await
            .unwrap()
            .unwrap();
        assert!(again.repeated && again.saga_ended, "{again:?}");

        // A refusal crosses nodes as well.
        let nobody = tours
            .operate_saga(
                sagas::SagaId(Uuid::nil()),
                SagaAction::Retry,
                Operator::anonymous(),
                None,
            )
            .await;
        assert_eq!(nobody.unwrap_err(), CommandError::not_found("saga"));
        let saga = ended.saga_id.unwrap();
        let refused = tours
            .operate_saga(saga, SagaAction::Retry, Operator::anonymous(), None)
            .await
            .unwrap_err();
        assert!(matches!(refused, CommandError::Conflict(_)), "{refused:?}");

        wire.is_cut.store(true, Ordering::Relaxed);
        let cut = tours
            .operate_saga(saga, SagaAction::Retry, Operator::anonymous(), None)
            .await;
        assert_eq!(cut.unwrap_err(), CommandError::Unavailable);
        agency.close().await;
    });
}

#[test]
fn whoever_stops_waiting_for_another_node_holds_no_place() {
    run(async {
        let agency = Agency::open("").await;
        let (tours, _wire) = far_away(&agency);
        let needs = needs(Uuid::from_u128(1));

        let accepted = tours.create(needs, None, Follow::saga()).await.unwrap();
        assert_eq!(tours.awaited(), 1);
        drop(accepted);
        assert_eq!(tours.awaited(), 0);
        agency.close().await;
    });
}
