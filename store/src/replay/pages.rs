//! Reads the histories of many entities of one shard, page by page.
//!
//! Those that are wanted from their beginning are asked for by their ids alone, many at once; those
//! that are wanted from a version on, each with its version, which costs the database more.

use sagas::ShardId;
use sea_orm::sea_query::Condition;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::history::salvage::Stored;
use crate::log::Destination;
use crate::mapping::signed;
use crate::tables::history;
use crate::unit::MAX_MESSAGES;
use crate::{Message, ServiceDatabase, StoreError, loading};

/// Rows read at once, at most.
const PAGE: usize = 1_000;
/// Entities asked for at once from their beginning, at most.
const FROM_THE_BEGINNING: usize = 100;
/// Entities asked for at once from a version on, at most.
const FROM_A_VERSION: usize = 16;

/// Whose events are wanted, from which version on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub entity: Uuid,
    pub from: u64,
}

/// What has been read.
#[derive(Default)]
pub(super) struct Page {
    /// Of each entity in the order of their versions.
    pub messages: Vec<Message>,
    /// Entities whose history cannot be read on.
    pub failed: Vec<(Uuid, StoreError)>,
}

pub(super) struct Reader<'a> {
    database: &'a ServiceDatabase,
    shard: ShardId,
    parts: Vec<Vec<Wanted>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(database: &'a ServiceDatabase, shard: ShardId, wanted: Vec<Wanted>) -> Self {
        let (mut whole, mut rest): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|wanted| wanted.from <= 1);
        for part in [&mut whole, &mut rest] {
            part.sort_by_key(|wanted| wanted.entity);
        }

        let whole = whole.chunks(FROM_THE_BEGINNING);
        let parts = whole.chain(rest.chunks(FROM_A_VERSION));
        Reader {
            database,
            shard,
            parts: parts.map(<[Wanted]>::to_vec).collect(),
        }
    }

    /// The next page; `None` when everything is read.
    pub(super) async fn next(&mut self) -> Result<Option<Page>, StoreError> {
        let Some(part) = self.parts.pop() else {
            return Ok(None);
        };

        match self.rows(&part).await {
            Ok(rows) => Ok(Some(self.take(&part, rows))),
            Err(error) if !loading::is_of_a_row(&error) => Err(self.database.failed(error)),
            Err(error) => Ok(Some(self.halve(&part, error))),
        }
    }

    async fn rows(&self, part: &[Wanted]) -> Result<Vec<Stored>, sea_orm::DbErr> {
        history::Entity::find()
            .filter(condition(part))
            .filter(history::Column::Shard.eq(i32::from(self.shard.number)))
            .order_by_asc(history::Column::EntityId)
            .order_by_asc(history::Column::Version)
            .limit(u64::try_from(PAGE).unwrap_or(u64::MAX))
            .into_model::<Stored>()
            .all(&self.database.read)
            .await
    }

    /// The events of a page, and what is still to be read of its part: all behind its last row.
    fn take(&mut self, part: &[Wanted], rows: Vec<Stored>) -> Page {
        let is_full = rows.len() == PAGE;
        let last = rows.last().and_then(|row| row.entity);
        let mut page = Page::default();

        for row in rows {
            let messages = row.salvage(self.shard).messages.into_iter();
            page.messages.extend(messages.filter(|message| {
                let place = part.binary_search_by_key(&message.entity, |wanted| wanted.entity);
                let wanted = place.ok().and_then(|place| part.get(place));
                message.destination == Destination::Events
                    && wanted.is_some_and(|wanted| message.version >= wanted.from)
            }));
        }

        let Some(last) = last.filter(|_| is_full) else {
            return page;
        };
        let reached = page
            .messages
            .iter()
            .rfind(|message| message.entity == last)
            .map(|message| message.version + 1);
        let behind = part.iter().filter(|wanted| wanted.entity > last);
        self.push(behind.copied().collect());

        let last = part.iter().find(|wanted| wanted.entity == last).copied();
        match (last, reached) {
            (Some(last), Some(from)) => self.push(vec![Wanted { from, ..last }]),
            // A page full of rows without an event of its own would be read for ever.
            (Some(last), None) if part.first().is_some_and(|of| of.entity == last.entity) => {
                page.failed.push((last.entity, stuck(last.entity)));
            }
            (Some(last), None) => self.push(vec![last]),
            (None, _) => {}
        }
        page
    }

    fn push(&mut self, part: Vec<Wanted>) {
        if !part.is_empty() {
            self.parts.push(part);
        }
    }

    /// Something in one of these histories stops the query as a whole.
    fn halve(&mut self, part: &[Wanted], error: sea_orm::DbErr) -> Page {
        let mut page = Page::default();
        match part {
            [] => {}
            [one] => {
                let what = format!("history of {}", one.entity);
                page.failed
                    .push((one.entity, loading::unreadable(what, error)));
            }
            _ => {
                let (first, second) = part.split_at(part.len() / 2);
                self.parts.extend([first.to_vec(), second.to_vec()]);
            }
        }
        page
    }
}

/// Which rows may hold what is wanted. The row that holds the event of a version may hold earlier
/// ones too.
fn condition(part: &[Wanted]) -> Condition {
    if part.iter().all(|wanted| wanted.from <= 1) {
        let ids = part.iter().map(|wanted| wanted.entity);
        return Condition::all().add(history::Column::EntityId.is_in(ids));
    }

    let back = i64::try_from(MAX_MESSAGES).unwrap_or(0);
    part.iter().fold(Condition::any(), |any, wanted| {
        let beyond = signed(wanted.from).saturating_sub(back);
        any.add(
            Condition::all()
                .add(history::Column::EntityId.eq(wanted.entity))
                .add(history::Column::Version.gt(beyond)),
        )
    })
}

fn stuck(entity: Uuid) -> StoreError {
    StoreError::Corrupt {
        what: format!("history of {entity}"),
        source: format!("{PAGE} rows in a row have no event of it").into(),
    }
}
