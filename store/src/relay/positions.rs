//! Where relays note how far they have come: in the settings of the database, a row a shard.

use std::collections::BTreeMap;
use std::time::Duration;

use sagas::ShardId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, RuntimeErr,
};
use tokio::time::timeout;

use super::cursor::Cursor;
use crate::tables::setting;
use crate::{ServiceDatabase, StoreError, history, shards};

/// What the names of the rows begin with.
const PREFIX: &str = "relayed/";

/// A database that has not noted something by then is written to on another connection.
const NOTED_WITHIN: Duration = Duration::from_secs(10);

fn name(shard: ShardId) -> String {
    format!("{PREFIX}{}", shard.number)
}

fn row(shard: ShardId, reached: u64) -> setting::ActiveModel {
    setting::ActiveModel {
        name: ActiveValue::Set(name(shard)),
        value: ActiveValue::Set(reached.to_string()),
    }
}

/// Notes, of shards that no relay has come to, that one is to begin behind what is published:
/// before that, nodes handed over themselves what they committed. To be done before a shard opens
/// at a node that does not, because it goes on to note what is published.
pub(super) async fn prepare(database: &ServiceDatabase) -> Result<(), StoreError> {
    let published = shards::noted_heads(database).await?;
    let rows = published.iter();
    let rows: Vec<_> = rows
        .map(|(shard, heads)| row(*shard, heads.published()))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }

    let kept = OnConflict::column(setting::Column::Name)
        .do_nothing()
        .to_owned();
    let writing = database.writing().await?;
    let prepared = setting::Entity::insert_many(rows)
        .on_conflict(kept)
        .exec_without_returning(&writing)
        .await;
    let closed = writing.close().await;
    prepared.map_err(|error| database.failed(error))?;
    closed.map_err(|error| database.failed(error))
}

/// Where a relay is to go on in the outboxes of these shards: from the beginning in one of which
/// nothing is noted.
pub(super) async fn read(
    database: &ServiceDatabase,
    of: &[ShardId],
) -> Result<BTreeMap<ShardId, Cursor>, StoreError> {
    let rows = setting::Entity::find()
        .filter(setting::Column::Name.starts_with(PREFIX))
        .all(&database.read)
        .await
        .map_err(|error| database.failed(error))?;
    let noted: BTreeMap<_, _> = rows
        .into_iter()
        .filter_map(|row| Some((row.name, row.value.parse::<u64>().ok()?)))
        .collect();

    let mut cursors = BTreeMap::new();
    for &shard in of {
        let reached = noted.get(&name(shard)).copied().unwrap_or(0);
        let last_event = history::event_before(database, shard, reached + 1).await?;
        cursors.insert(shard, Cursor::behind(reached, last_event));
    }
    Ok(cursors)
}

/// Notes positions, and keeps its connection.
#[derive(Debug, Default)]
pub(super) struct Notes {
    writing: Option<DatabaseConnection>,
    noted: BTreeMap<ShardId, u64>,
}

impl Notes {
    /// Notes what has been reached since the last time.
    pub(super) async fn note(
        &mut self,
        database: &ServiceDatabase,
        cursors: &BTreeMap<ShardId, Cursor>,
    ) -> Result<(), StoreError> {
        let new: BTreeMap<_, _> = cursors
            .iter()
            .map(|(shard, cursor)| (*shard, cursor.reached()))
            .filter(|(shard, reached)| self.noted.get(shard) != Some(reached))
            .collect();
        if new.is_empty() {
            return Ok(());
        }

        let rows = new.iter().map(|(shard, reached)| row(*shard, *reached));
        let renewed = OnConflict::column(setting::Column::Name)
            .update_column(setting::Column::Value)
            .to_owned();

        let writing = match &mut self.writing {
            Some(writing) => writing,
            none => none.insert(database.writing().await?),
        };
        let noting = setting::Entity::insert_many(rows)
            .on_conflict(renewed)
            .exec_without_returning(&*writing);
        let noted = timeout(NOTED_WITHIN, noting).await.unwrap_or_else(|_| {
            let silent = "nothing can be noted: the database says nothing".to_owned();
            Err(DbErr::Exec(RuntimeErr::Internal(silent)))
        });
        if let Err(error) = noted {
            self.writing = None;
            return Err(database.failed(error));
        }
        self.noted.extend(new);
        Ok(())
    }
}
