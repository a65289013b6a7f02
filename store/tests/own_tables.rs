//! Another team's service with a table of its own, built on what this crate offers and nothing
//! else: what is written here must stay possible from outside.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use sagas::{Service, ShardId};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};
use store::faults::Faults;
use store::loading::{self, Found};
use store::log::embedded::EmbeddedLog;
use store::migrations::{Clustered, create};
use store::row_changes::{Journaled, RowChange};
use store::services::EntityTable;
use store::unit::{Fate, Unit};
use store::{Journal, ServiceDatabase, ServiceSchema, StoreError, mapping, snapshot};
use tokio::sync::oneshot;
use uuid::Uuid;

const LETTERS: Service = Service::new(110, "letters");
const SHARD: ShardId = ShardId::new(LETTERS, 0);

const SCHEMA: ServiceSchema = ServiceSchema::new(LETTERS).with_tables(
    EntityTable {
        name: "letters",
        key: "letter_id",
    },
    || vec![Box::new(FirstLetters)],
);

/// `letters`: one row for each.
mod letter {
    #![allow(clippy::disallowed_methods)]

    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "letters")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub letter_id: Uuid,
        pub address: String,
        pub stamps: i32,
        pub version: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

store::journaled!(letter, letter_id, fixed: [Address]);

struct FirstLetters;

impl MigrationName for FirstLetters {
    fn name(&self) -> &str {
        "m2026_11_27_000001_letters"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for FirstLetters {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, letter::Entity, Clustered::No).await
    }
}

/// What the service decides on.
#[derive(Debug, PartialEq)]
struct Letter {
    stamps: u8,
    version: u64,
}

fn from_row(row: &letter::Model) -> Result<Letter, StoreError> {
    let what = || format!("letter {}", row.letter_id);

    Ok(Letter {
        stamps: mapping::named(u8::try_from(row.stamps).ok(), "stamps", what)?,
        version: mapping::version(row.version, what)?,
    })
}

async fn load(database: &ServiceDatabase, ids: &[Uuid]) -> Found<Uuid, Letter> {
    let query = async |ids: Vec<Uuid>| {
        letter::Entity::find()
            .filter(letter::Column::LetterId.is_in(ids))
            .all(&database.read)
            .await
    };

    let read = |row: letter::Model| (row.letter_id, from_row(&row));
    let loaded = loading::by_ids(database, ids, "letter", query, read).await;
    loaded.unwrap()
}

fn row(number: u128, stamps: i32, version: i64) -> letter::Model {
    letter::Model {
        letter_id: Uuid::from_u128(number),
        address: "Baker Street".to_owned(),
        stamps,
        version,
    }
}

async fn write(folder: &Path, rows: Vec<RowChange>) -> (ServiceDatabase, Fate) {
    let database = ServiceDatabase::open_embedded(SCHEMA, folder, 1)
        .await
        .unwrap();
    let log = Arc::new(EmbeddedLog::new(
        vec![database.clone()],
        1,
        Faults::default(),
    ));
    let journal = Journal::start(&database, log, Faults::default(), 1)
        .await
        .unwrap();
    let claim = journal.claim(SHARD, "test", None).await.unwrap();

    let (told, fate) = oneshot::channel();
    journal.submit(Unit {
        shard: SHARD,
        epoch: claim.epoch,
        ticket: 1,
        rows,
        outgoing: None,
        position: None,
        timer: None,
        completion: Box::new(move |fate| drop(told.send(fate))),
    });
    let fate = fate.await.unwrap();

    journal.close().await;
    (database, fate)
}

#[tokio::test]
async fn a_service_keeps_its_entities_in_a_table_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    // The second has more stamps than there can be.
    let rows = vec![row(1, 3, 1).insert(), row(2, 300, 1).insert()];
    let (database, fate) = write(folder.path(), rows).await;
    assert!(matches!(fate, Fate::Durable), "{fate:?}");
    database.close().await;

    let rows = vec![row(1, 4, 2).update(1)];
    let (database, fate) = write(folder.path(), rows).await;
    assert!(matches!(fate, Fate::Durable), "{fate:?}");

    let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
    let found = load(&database, &ids).await;
    let [first, second, third] =
        [0, 1, 2].map(|at: usize| ids.get(at).and_then(|id| found.get(id)));
    let stamped = Letter {
        stamps: 4,
        version: 2,
    };
    assert_eq!(first.unwrap().as_ref().unwrap(), &stamped);
    assert!(second.unwrap().is_err(), "it alone cannot be read");
    assert!(third.is_none());

    let counted = snapshot::entities::count(&database).await.unwrap();
    let range = snapshot::entities::next_range(&database, None, 1).await;
    assert_eq!(counted, 2);
    assert_eq!(range.unwrap().up_to, ids.first().copied());
}

#[tokio::test]
async fn a_migration_of_its_own_is_known_to_a_release_that_has_it_and_to_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let opened = ServiceDatabase::open_embedded(SCHEMA, folder.path(), 1).await;
    opened.unwrap().close().await;

    let without = ServiceSchema::new(LETTERS);
    let refused = ServiceDatabase::open_embedded(without, folder.path(), 1).await;
    let line = refused.unwrap_err().to_string();
    assert!(line.contains("m2026_11_27_000001_letters"), "{line}");
}
