//! Rows and runs, also those that release 0.1 has left behind.

use std::path::Path;
use std::time::Duration;

use domain::saga::{CREATE_ORDER, DEFINITIONS, OrderSaga};
use domain::{CustomerId, Money, OrderId};
use rusqlite::Connection;
use sagas::nested::Parent;
use sagas::{
    Attempt, Effect, Incoming, Run, SagaId, SagaPolicy, SagaState, ShardId, StepState, Timestamp,
};
use sea_orm::EntityTrait;
use uuid::Uuid;

use crate::sagas::{StoredSaga, entity_of, from_row, load, to_row};
use crate::services::orders::{FIRST_SCHEMA, SCHEMA};
use crate::tables::saga;
use crate::timers::{StoredTimer, TimerSet};
use crate::{ServiceDatabase, StoreError};

const OPEN: SagaId = SagaId(Uuid::from_u128(7));
const ORDER: Uuid = Uuid::from_u128(0x01a2_20f0_b9cb_74b0_9cfd_0a05_ca12_6d91);
const CUSTOMER: Uuid = Uuid::from_u128(0x01a2_20f0_b853_7247_9284_8baf_afba_28e8);

/// The orders database of release 0.1, with one saga that awaits its customer.
fn lay_out(folder: &Path, sql: &str) {
    let connection = Connection::open(folder.join("orders.db")).unwrap();
    connection.execute_batch(FIRST_SCHEMA).unwrap();
    let steps = r#"[{"state":"DONE","at":1},{"state":"RUNNING","at":1},{"state":"REMAINING"}]"#;
    let open = "INSERT INTO sagas \
        (saga_id, kind, state, shard, order_id, customer_id, amount_cents, order_version, \
        steps, attempts, started_at, updated_at, deadline, wake_at, version) \
        VALUES (?1, 'create-order', 'RUNNING', 0, ?2, ?3, 1234, 1, ?4, 1, 1, 1, 600, 600, 1)";
    let ids = (OPEN.0.as_bytes(), ORDER.as_bytes(), CUSTOMER.as_bytes());
    let changed = connection
        .execute(open, (ids.0, ids.1, ids.2, steps))
        .unwrap();
    assert_eq!(changed, 1);
    connection.execute_batch(sql).unwrap();
}

async fn open(folder: &Path) -> ServiceDatabase {
    ServiceDatabase::open_embedded(SCHEMA, folder, 2)
        .await
        .unwrap()
}

async fn loaded(database: &ServiceDatabase) -> Result<StoredSaga<OrderSaga>, StoreError> {
    let mut found = load(database, &DEFINITIONS, &[OPEN]).await.unwrap();
    found.remove(&OPEN).unwrap()
}

#[tokio::test]
async fn an_open_saga_of_release_0_1_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    lay_out(folder.path(), "");
    let database = open(folder.path()).await;
    let mut saga = loaded(&database).await.unwrap().saga;

    let expected = OrderSaga {
        order_id: OrderId(ORDER),
        customer_id: CustomerId(CUSTOMER),
        amount: Money::from_cents(1234),
        order_version: 1,
        customer_name: None,
        customer_version: None,
    };
    assert_eq!((saga.definition, &saga.data), (&CREATE_ORDER, &expected));
    assert_eq!(saga.steps[1].name, "reserve-credit");
    assert_eq!((saga.entity, saga.commands_sent), (ORDER, 0));

    let shard = ShardId::new(domain::ORDERS, 0);
    let timers = crate::timers::of_shard(&database, shard).await.unwrap();
    let set = TimerSet {
        wake_at: Timestamp::from_micros(600),
        patience: Duration::from_secs(1),
        waits_for: CUSTOMER,
    };
    assert_eq!(timers, [StoredTimer { id: OPEN.0, set }]);
    assert_eq!(entity_of(&database, OPEN).await.unwrap(), Some(ORDER));

    // The customer's reply to release 0.1 has no number; it is the only one there can be.
    let body = r#"{"customerName":"Ada Park","customerVersion":2}"#;
    let reply = Incoming::decode("customer.credit-reserved-reply", 1, body).unwrap();
    let (policy, now) = (SagaPolicy::default(), Timestamp::from_micros(20));
    let effects = saga.replied(&reply, None, &policy, now);
    assert!(matches!(effects[..], [Effect::Local { .. }]), "{effects:?}");
    assert_eq!(saga.state, SagaState::Completed);
}

#[tokio::test]
async fn every_saga_of_release_0_1_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    lay_out(folder.path(), "");
    let database = open(folder.path()).await;
    let rows = saga::Entity::find().all(&database.read).await.unwrap();
    assert_eq!(rows.len(), 4);

    for row in rows {
        let stored = from_row(row.clone(), &DEFINITIONS).unwrap();
        let shard = ShardId::new(domain::ORDERS, u16::try_from(row.shard).unwrap());
        let again = from_row(to_row(&stored, shard).unwrap(), &DEFINITIONS).unwrap();
        assert_eq!(again, stored);
    }
}

#[tokio::test]
async fn a_saga_that_no_definition_fits_stops_alone() {
    for damage in [
        "UPDATE sagas SET kind = 'fly-to-the-moon' WHERE ended_at IS NULL",
        "UPDATE sagas SET definition_version = 9 WHERE ended_at IS NULL",
        "UPDATE sagas SET steps = '[]' WHERE ended_at IS NULL",
        "UPDATE sagas SET data = '{}' WHERE ended_at IS NULL",
        "UPDATE sagas SET commands_sent = -1 WHERE ended_at IS NULL",
    ] {
        let folder = tempfile::tempdir().unwrap();
        lay_out(folder.path(), "");
        open(folder.path()).await.close().await;
        let connection = Connection::open(folder.path().join("orders.db")).unwrap();
        assert_eq!(connection.execute(damage, []).unwrap(), 1);

        let database = open(folder.path()).await;
        let error = loaded(&database).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Corrupt { .. }),
            "{damage}: {error}"
        );

        let filter = crate::inspection::SagaFilter::default();
        let listed = crate::inspection::list_sagas(&database, &DEFINITIONS, filter, 10).await;
        let readable: Vec<_> = listed
            .unwrap()
            .into_iter()
            .map(|one| one.saga.is_ok())
            .collect();
        assert_eq!(readable, [true, true, true, false], "{damage}");
    }
}

#[test]
fn a_run_reads_back_as_it_was_written() {
    let now = Timestamp::from_micros(10);
    let shard = ShardId::new(domain::ORDERS, 1);
    let beginning = sagas::Beginning {
        id: OPEN,
        entity: ORDER,
        data: OrderSaga {
            order_id: OrderId(ORDER),
            customer_id: CustomerId(CUSTOMER),
            amount: Money::from_cents(5),
            order_version: 1,
            customer_name: Some("Ada Park".to_owned()),
            customer_version: Some(3),
        },
        not_before: now,
        parent: Some(Parent {
            shard,
            attempt: Attempt {
                saga: SagaId(Uuid::from_u128(8)),
                step: "buy".into(),
                number: 3,
            },
            wants_undo: true,
        }),
    };

    domain::ids::register();
    let policy = SagaPolicy::default();
    let (mut saga, _) = Run::begin(&CREATE_ORDER, beginning, &policy, now);
    for _ in 0..3 {
        let stored = StoredSaga {
            saga: saga.clone(),
            remembered: Vec::new(),
        };
        let row = to_row(&stored, shard).unwrap();
        assert_eq!(saga.waits_for().unwrap().entity, CUSTOMER);
        assert_eq!(from_row(row, &DEFINITIONS).unwrap(), stored);

        let wake_at = saga.wake_at.unwrap();
        let _ = saga.woken(wake_at, &policy, now);
    }
    assert_eq!(saga.steps[1].state, StepState::Running);
}
