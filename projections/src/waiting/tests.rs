//! Waiting without a projector: what is asked, what wakes, what is told.

use futures_util::future::BoxFuture;

use super::*;

/// Knows the versions it was told.
#[derive(Debug, Default)]
struct Known(Mutex<HashMap<(Service, Uuid), u64>>);

impl VersionReader for Known {
    fn versions_of<'a>(
        &'a self,
        entities: &'a [(Service, Uuid)],
    ) -> BoxFuture<'a, Result<Vec<u64>, ViewError>> {
        let known = self.0.lock().unwrap();
        let versions = entities
            .iter()
            .map(|key| known.get(key).copied().unwrap_or(0))
            .collect();
        Box::pin(async move { Ok(versions) })
    }
}

const SENDERS: Service = Service::new(211, "senders");
const PARCELS: Service = Service::new(212, "parcels");
const PARCEL: (Service, Uuid) = (PARCELS, Uuid::from_u128(1));
const SHARD: ShardId = ShardId::new(PARCELS, 2);
const LONG: Duration = Duration::from_secs(5);

fn waiting(uses: &'static [Service]) -> (Arc<Waiting>, Arc<Known>) {
    let known = Arc::new(Known::default());
    (
        Arc::new(Waiting::new("test", uses, Arc::<Known>::clone(&known))),
        known,
    )
}

fn token() -> ConsistencyToken {
    let mut token = ConsistencyToken::of(PARCEL.0, PARCEL.1, 2);
    token.see_position(SHARD, 7);
    token
}

#[tokio::test]
async fn what_has_been_reached_is_not_waited_for() {
    let (waiting, known) = waiting(&[SENDERS, PARCELS]);
    known.0.lock().unwrap().insert(PARCEL, 3);
    waiting.advance(&EntityVersions::new(), &Positions::from([(SHARD, 7)]));
    waiting.wait_until(&token(), Duration::ZERO).await.unwrap();
    waiting
        .wait_until(&ConsistencyToken::new(), Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(waiting.count(), 0);
}

#[tokio::test]
async fn a_reader_is_woken_when_the_last_of_its_wishes_is_fulfilled() {
    let (waiting, _) = waiting(&[SENDERS, PARCELS]);
    let reader = tokio::spawn({
        let waiting = Arc::clone(&waiting);
        async move { waiting.wait_until(&token(), LONG).await }
    });

    waiting.demanded().await;
    let second = EntityVersions::from([(PARCEL, 2)]);
    assert!(waiting.wants(&second, &Positions::new()));

    assert!(!waiting.wants(
        &EntityVersions::from([(PARCEL, 1)]),
        &Positions::from([(SHARD, 6)])
    ));

    waiting.advance(&second, &Positions::from([(SHARD, 6)]));
    assert!(!reader.is_finished());
    waiting.advance(&EntityVersions::new(), &Positions::from([(SHARD, 7)]));
    reader.await.unwrap().unwrap();
    assert_eq!(waiting.count(), 0);
}

#[tokio::test]
async fn who_has_waited_in_vain_is_told_what_was_required_and_reached() {
    let (waiting, known) = waiting(&[SENDERS, PARCELS]);
    known.0.lock().unwrap().insert(PARCEL, 1);
    waiting.advance(&EntityVersions::new(), &Positions::from([(SHARD, 5)]));

    let error = waiting
        .wait_until(&token(), Duration::from_millis(1))
        .await
        .unwrap_err();

    let ViewError::Behind { behind, .. } = error else {
        panic!("{error}")
    };

    let entity = |version| Mark::Entity {
        service: PARCEL.0,
        entity: PARCEL.1,
        version,
    };

    let position = |sequence| Mark::Position {
        shard: SHARD,
        sequence,
    };
    assert_eq!(behind.required, [entity(2), position(7)]);
    assert_eq!(behind.reached, [entity(1), position(5)]);
    assert_eq!(position(5).to_string(), "parcels/2 position 5");
    assert_eq!(waiting.count(), 0);
}

#[tokio::test]
async fn what_a_view_does_not_use_counts_as_reached() {
    let (waiting, _) = waiting(&[SENDERS]);
    waiting.wait_until(&token(), Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_goes_away_leaves_nothing_behind() {
    let (waiting, _) = waiting(&[SENDERS, PARCELS]);
    let reader = tokio::spawn({
        let waiting = Arc::clone(&waiting);
        async move { waiting.wait_until(&token(), LONG).await }
    });
    waiting.demanded().await;
    assert_eq!(waiting.count(), 1);
    reader.abort();
    reader.await.unwrap_err();
    assert_eq!(waiting.count(), 0);
}

#[tokio::test]
async fn readers_do_not_wait_for_a_view_that_has_stopped() {
    let (waiting, _) = waiting(&[SENDERS, PARCELS]);
    let reader = tokio::spawn({
        let waiting = Arc::clone(&waiting);
        async move { waiting.wait_until(&token(), LONG).await }
    });
    waiting.demanded().await;
    waiting.close();
    assert!(matches!(
        reader.await.unwrap(),
        Err(ViewError::Closed { .. })
    ));
}

#[tokio::test]
async fn who_comes_when_a_view_has_stopped_does_not_wait_for_it_either() {
    let (waiting, known) = waiting(&[SENDERS, PARCELS]);
    waiting.close();
    let waited = waiting.wait_until(&token(), LONG).await;
    assert!(
        matches!(waited, Err(ViewError::Closed { .. })),
        "{waited:?}"
    );

    // What it has reached can still be read from it.
    known.0.lock().unwrap().insert(PARCEL, 2);
    let token = ConsistencyToken::of(PARCEL.0, PARCEL.1, 2);
    waiting.wait_until(&token, LONG).await.unwrap();
    assert_eq!(waiting.count(), 0);
}

#[tokio::test]
async fn a_view_that_goes_on_again_before_its_readers_hear_of_its_failure_has_not_stopped() {
    let (waiting, _) = waiting(&[SENDERS, PARCELS]);
    let reader = tokio::spawn({
        let waiting = Arc::clone(&waiting);
        async move { waiting.wait_until(&token(), LONG).await }
    });
    waiting.demanded().await;

    // On this thread the reader has no turn in between.
    waiting.fail("its disk is full");
    waiting.advance(&EntityVersions::new(), &Positions::new());

    let told = reader.await.unwrap().unwrap_err();
    let ViewError::Unavailable { source, .. } = told else {
        panic!("{told}")
    };
    assert_eq!(source.to_string(), "its disk is full");
    assert_eq!(waiting.count(), 0);
}
