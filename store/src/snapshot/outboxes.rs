//! The outbox of one shard, row by row in its order.

use sagas::{SagaId, ShardId, Timestamp};
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    ColumnTrait, DerivePartialModel, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{AsRead, Snapshot};
use crate::log::Heads;
use crate::tables::{outbox, shard};
use crate::{Destination, StoreError, mapping, outbox as stored};

/// What is noted of a shard beside its outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardNotes {
    /// Everything up to here has been handed to the log, as far as it is noted.
    pub published: u64,
    /// Commands and replies up to here have been removed.
    pub pruned: u64,
    /// Why the heads that are noted cannot be read, if so.
    pub unreadable_heads: Option<String>,
}

/// A shard by its number, and its notes.
type Noted = (i32, ShardNotes);

/// The columns that hold commands and replies.
#[derive(DerivePartialModel)]
#[sea_orm(entity = "outbox::Entity")]
struct MessagesRow {
    shard: i32,
    sequence: i64,
    count: i32,
    entity_id: Uuid,
    version: Option<i64>,
    correlation_id: Uuid,
    time: i64,
    /// Only whether there are any, for they may be long. Notices have no version.
    #[sea_orm(from_expr = "beginning_of_events()")]
    events: Option<String>,
    messages: Option<String>,
}

fn beginning_of_events() -> Expr {
    let events = Expr::col(outbox::Column::Events);
    Func::cust("substr").arg(events).arg(1).arg(1).into()
}

/// Where a command or reply goes, and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its place in its outbox.
    pub sequence: u64,
    /// The shard that it goes to.
    pub destination: Destination,
    /// The entity it addresses.
    pub entity: Uuid,
    /// The saga that asks, or is answered.
    pub saga: Option<SagaId>,
}

/// One row of an outbox, without its events.
#[derive(Debug)]
pub struct OutboxRow {
    /// Of its first message.
    pub sequence: i64,
    /// How many messages it was written with.
    pub count: i32,
    /// Whether it holds events.
    pub has_events: bool,
    /// When they were sent.
    pub time: Timestamp,
    /// Its commands and replies; an error when they cannot be read.
    pub messages: Result<Vec<Sent>, StoreError>,
}

/// The newest row of an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewestRow {
    /// Of its first message.
    pub sequence: u64,
    /// How many messages it was written with, as it says.
    pub count: u64,
    /// How many it holds; absent when they cannot be read.
    pub holds: Option<u64>,
}

impl Snapshot {
    /// The notes of all shards.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn shard_notes(&self) -> Result<Vec<AsRead<Noted>>, StoreError> {
        let rows: Vec<AsRead<shard::Model>> = self.each(shard::Entity::find()).await?;

        let noted = |row: shard::Model| {
            let published = mapping::unsigned(row.published);
            let number = u16::try_from(row.shard).unwrap_or(u16::MAX);
            let heads = Heads::from_json(ShardId::new(self.service, number), published, &row.heads);

            let notes = ShardNotes {
                published,
                pruned: mapping::unsigned(row.pruned),
                unreadable_heads: heads.err().map(|error| error.chain()),
            };
            (row.shard, notes)
        };
        Ok(rows.into_iter().map(|row| row.map(noted)).collect())
    }

    /// The notes of one shard: none when it was never owned.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn notes_of(&self, shard: ShardId) -> Result<Option<AsRead<ShardNotes>>, StoreError> {
        let number = i32::from(shard.number);
        let (rows, key) = (self.shard_notes().await?, number.to_string());
        let is_its = |row: &AsRead<Noted>| match row {
            Ok((found, _)) => *found == number,
            Err(unreadable) => unreadable.key == key,
        };
        let found = rows.into_iter().find(is_its);
        Ok(found.map(|row| row.map(|(_, notes)| notes)))
    }

    /// The rows of a shard's outbox after a sequence, at most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn outbox(
        &self,
        shard: ShardId,
        after: i64,
        limit: u64,
    ) -> Result<Vec<AsRead<OutboxRow>>, StoreError> {
        let query = outbox::Entity::find()
            .filter(outbox::Column::Shard.eq(i32::from(shard.number)))
            .filter(outbox::Column::Sequence.gt(after))
            .order_by_asc(outbox::Column::Sequence)
            .limit(limit);
        let rows = self.each_partial(query).await?;
        let stored = |row: AsRead<MessagesRow>| row.map(|row| self.outbox_row(row));
        Ok(rows.into_iter().map(stored).collect())
    }

    /// Rows of shards that there are not among `shards` of them, at most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn outbox_of_no_shard(
        &self,
        shards: u16,
        limit: u64,
    ) -> Result<Vec<AsRead<outbox::Model>>, StoreError> {
        let column = outbox::Column::Shard;
        let elsewhere = column.lt(0).or(column.gte(i32::from(shards)));
        let query = outbox::Entity::find().filter(elsewhere).limit(limit);
        self.each(query).await
    }

    /// The newest row of a shard's outbox.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn newest_in_outbox(
        &self,
        shard: ShardId,
    ) -> Result<Option<AsRead<NewestRow>>, StoreError> {
        let query = outbox::Entity::find()
            .filter(outbox::Column::Shard.eq(i32::from(shard.number)))
            .order_by_desc(outbox::Column::Sequence)
            .limit(1);
        let rows: Vec<AsRead<outbox::Model>> = self.each(query).await?;

        let newest = |row: outbox::Model| {
            let messages = stored::from_row(self.service, &row).ok();
            let holds = messages.map(|messages| u64::try_from(messages.len()).unwrap_or(u64::MAX));
            NewestRow {
                sequence: mapping::unsigned(row.sequence),
                count: mapping::unsigned(i64::from(row.count)),
                holds,
            }
        };
        Ok(rows.into_iter().next().map(|row| row.map(newest)))
    }

    fn outbox_row(&self, row: MessagesRow) -> OutboxRow {
        let MessagesRow {
            shard,
            sequence,
            count,
            entity_id,
            version,
            correlation_id,
            time,
            events,
            messages,
        } = row;

        let has_events = events.is_some();

        let row = outbox::Model {
            shard,
            sequence,
            count,
            entity_id,
            version,
            correlation_id,
            time,
            events: None,
            messages,
        };

        let messages = stored::from_row(self.service, &row).map(|messages| {
            messages
                .into_iter()
                .map(|message| Sent {
                    sequence: message.sequence,
                    destination: message.destination,
                    entity: message.entity,
                    saga: message.attempt.map(|attempt| attempt.saga),
                })
                .collect()
        });

        OutboxRow {
            sequence,
            count,
            has_events,
            time: Timestamp::from_micros(time),
            messages,
        }
    }
}
