//! A view of another team's service, written against the public types alone: which parcel is where.
//!
//! The mechanism is not changed for it, and it runs without the shop (`--no-default-features`).
//! Everything a view must bring is in [`whereabouts`].

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may end at the first surprise"
)]

#[expect(
    dead_code,
    reason = "the views of the shop are tested with the same log"
)]
#[path = "../src/testing/log.rs"]
mod log;
#[path = "another_team/whereabouts.rs"]
mod whereabouts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use projections::generations::BuildFrom;
use projections::views::{AnyView as _, RegistrationError, View, ViewState};
use projections::{ConsistencyToken, NoRows, Registration, ViewError, Views, ViewsConfig};
use sagas::Service;
use store::Message;
use uuid::Uuid;

use log::TestLog;
use whereabouts::{DEFINITION, LETTERS, MemoryStore, PARCELS, Whereabouts};

const SOON: Duration = Duration::from_secs(10);

/// A post office: its log, and the view that follows it.
struct Office {
    log: Arc<TestLog>,
    store: MemoryStore,
    views: Views,
    view: Arc<View<Whereabouts>>,
}

impl Office {
    fn open() -> Self {
        let log = Arc::new(TestLog::new(&[LETTERS, PARCELS]));
        let config = ViewsConfig {
            keep: Duration::ZERO,
            deployment: Uuid::from_u128(1),
            origin: Uuid::from_u128(1),
        };

        let store = MemoryStore::default();
        let mut views = Views::new(config, Arc::<TestLog>::clone(&log));
        let view = views.add(registration(&store)).unwrap();

        Office {
            log,
            store,
            views,
            view,
        }
    }

    /// Commits an event, and does not deliver it.
    fn commit(&self, parcel: u128, version: u64, name: &str, body: &str) -> Arc<Message> {
        let parcel = Uuid::from_u128(parcel);
        self.log.commit(PARCELS, parcel, version, name, body)
    }

    fn post(&self, parcel: u128, place: &str) -> Arc<Message> {
        self.commit(parcel, 1, "parcel.posted", &format!("\"{place}\""))
    }

    fn bring(&self, parcel: u128, version: u64, place: &str) -> Arc<Message> {
        self.commit(parcel, version, "parcel.brought", &format!("\"{place}\""))
    }

    /// Where a parcel is shown to be, for somebody who has seen this version of it.
    async fn place(&self, parcel: u128, version: u64) -> String {
        let parcel = Uuid::from_u128(parcel);
        let token = ConsistencyToken::of(PARCELS, parcel, version);
        // What is registered can be read back from the text that a caller carries.
        let token = self
            .views
            .read_token(&self.views.token_text(&token))
            .unwrap();

        let generation = self.view.current().unwrap();
        generation.wait_until(&token, SOON).await.unwrap();
        let place = generation.read(async |shelf| Ok(shelf.place(parcel))).await;
        place.unwrap().unwrap()
    }

    async fn answers(&self, number: u32) {
        eventually(async || {
            let status = self.view.status().await;
            (status.generation, status.state) == (Some(number), ViewState::Live)
        })
        .await;
    }
}

fn registration(store: &MemoryStore) -> Registration<Whereabouts> {
    Registration {
        definition: DEFINITION,
        store: Arc::new(store.clone()),
        rows: Arc::new(NoRows),
    }
}

async fn eventually(holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < SOON, "it never came true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_of_another_service_is_fed_and_shows_what_its_callers_have_seen() {
    let office = Office::open();
    let posted = office.post(1, "Oslo");
    office.answers(1).await;
    assert_eq!(office.place(1, 1).await, "Oslo");

    let brought = office.bring(1, 2, "Bergen");
    // A letter is no business of the view, which goes past it.
    let letter = office
        .log
        .commit(LETTERS, Uuid::from_u128(9), 1, "letter.posted", "{}");
    office.log.deliver([posted, brought, letter]);
    assert_eq!(office.place(1, 2).await, "Bergen");
    let reached = ConsistencyToken::of(LETTERS, Uuid::from_u128(9), 1);
    office.view.wait_until(&reached, SOON).await.unwrap();
    assert_eq!(office.view.status().await.quarantined, []);

    let names: Vec<_> = office.views.all().map(|view| view.name()).collect();
    assert_eq!(names, ["whereabouts"]);
    office.views.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_on_the_way_is_read_and_what_comes_twice_changes_nothing() {
    let office = Office::open();
    office.answers(1).await;
    office.post(1, "Oslo");
    office.bring(1, 2, "Bergen");
    let last = office.bring(1, 3, "Bodø");
    office.log.deliver([Arc::clone(&last), last]);
    assert_eq!(office.place(1, 3).await, "Bodø");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_view_cannot_decode_stops_its_parcel_alone() {
    let office = Office::open();
    office.post(1, "Oslo");
    office.post(2, "Oslo");
    office.commit(1, 2, "parcel.brought", "[7]");
    office.commit(2, 2, "parcel.weighed", "{}");
    office.answers(1).await;

    // A type that this release does not know counts, and nothing else.
    assert_eq!(office.place(2, 2).await, "Oslo");
    eventually(async || office.view.status().await.quarantined.len() == 1).await;

    let in_quarantine = office.view.status().await.quarantined.remove(0);
    assert_eq!(
        (in_quarantine.entity, in_quarantine.version),
        (Uuid::from_u128(1), 2)
    );
    assert!(
        in_quarantine.cause.contains("invalid type"),
        "{}",
        in_quarantine.cause
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_that_is_shown_wrongly_is_healed_from_its_history() {
    let office = Office::open();
    office.post(1, "Oslo");
    office.bring(1, 2, "Bergen");
    office.answers(1).await;
    assert_eq!(office.place(1, 2).await, "Bergen");

    office.store.misplace(1, Uuid::from_u128(1));
    assert_eq!(office.place(1, 2).await, "nowhere");
    assert_eq!(office.view.heal(Uuid::from_u128(1)).await.unwrap(), Some(2));
    assert_eq!(office.place(1, 2).await, "Bergen");
    assert_eq!(office.view.heal(Uuid::from_u128(7)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_view_is_rebuilt_beside_the_one_that_answers_and_repairs_it() {
    let office = Office::open();
    for parcel in 1..50 {
        office.post(parcel, "Oslo");
        office.bring(parcel, 2, "Bergen");
    }
    office.answers(1).await;
    // What it takes in later would be right again.
    assert_eq!(office.place(7, 2).await, "Bergen");
    office.store.misplace(1, Uuid::from_u128(7));
    assert_eq!(office.place(7, 2).await, "nowhere");

    office.view.rebuild(BuildFrom::History, None).await.unwrap();
    office.answers(2).await;
    assert_eq!(office.place(7, 2).await, "Bergen");
    eventually(async || office.store.numbers() == [2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_given_to_one_view_and_a_number_to_one_service() {
    let mut office = Office::open();
    let again = office.views.add(registration(&office.store)).err().unwrap();
    assert_eq!(again, RegistrationError::NameTaken("whereabouts"));

    const IMPOSTORS: &[Service] = &[Service::new(PARCELS.number(), "impostors")];
    let mut other = registration(&office.store);
    other.definition.name = "other";
    other.definition.uses = IMPOSTORS;
    let refused = office.views.add(other).err().unwrap();
    assert!(
        matches!(refused, RegistrationError::Service(_)),
        "{refused}"
    );
    assert!(office.views.named("other").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rows_a_view_is_not_built_from_them() {
    let office = Office::open();
    office.post(1, "Oslo");
    office.answers(1).await;
    office
        .view
        .rebuild(BuildFrom::Entities, None)
        .await
        .unwrap();

    eventually(async || office.view.status().await.error.is_some()).await;
    assert_eq!(office.place(1, 1).await, "Oslo");
    let gone = office.view.heal(Uuid::from_u128(2)).await;
    assert!(!matches!(gone, Err(ViewError::Closed { .. })), "{gone:?}");
}
