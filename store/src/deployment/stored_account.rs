//! What a database says about itself and the others, read through the connections of a node.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder,
};
use uuid::Uuid;

use super::account::{Account, ShardName, seen_from_json};
use super::{COMPLETE, ID, ORIGIN, SEEN};
use crate::snapshot::Snapshot;
use crate::tables::{inbox, outbox, setting, shard};
use crate::{ServiceDatabase, StoreError, mapping};

/// The account of an open database, as of one moment.
pub(super) async fn read(database: &ServiceDatabase) -> Result<Account, StoreError> {
    let moment = Snapshot::begin(database).await?;
    let account = of(database, &moment.transaction).await?;
    moment.end().await?;
    Ok(account)
}

async fn of(
    database: &ServiceDatabase,
    moment: &DatabaseTransaction,
) -> Result<Account, StoreError> {
    let failed = |error: DbErr| database.failed(error);

    let settings: BTreeMap<String, String> = setting::Entity::find()
        .all(moment)
        .await
        .map_err(failed)?
        .into_iter()
        .map(|row| (row.name, row.value))
        .collect();
    let id = |name: &str| {
        let id = settings.get(name).map(|id| id.parse::<Uuid>()).transpose();
        id.map_err(|error| corrupt(database, name, error))
    };
    let seen = match settings.get(SEEN) {
        Some(json) => {
            seen_from_json(json).ok_or_else(|| corrupt(database, SEEN, "it is no map"))?
        }
        None => BTreeMap::new(),
    };

    let claimed = shard::Entity::find().count(moment).await.map_err(failed)?;
    let received = inbox::Entity::find().all(moment).await.map_err(failed)?;

    Ok(Account {
        file: PathBuf::from(database.place()),
        service: database.service.to_string(),
        deployment: id(ID)?,
        origin: id(ORIGIN)?,
        complete: settings.contains_key(COMPLETE),
        used: claimed > 0,
        ends: ends(moment).await.map_err(failed)?,
        received: received.into_iter().filter_map(position).collect(),
        seen,
    })
}

/// The ends of all outboxes, by going from one shard to the next.
async fn ends(moment: &impl ConnectionTrait) -> Result<BTreeMap<u16, u64>, DbErr> {
    let mut ends = BTreeMap::new();
    let mut beyond = -1;

    loop {
        let next = outbox::Entity::find()
            .filter(outbox::Column::Shard.gt(beyond))
            .order_by_asc(outbox::Column::Shard)
            .one(moment)
            .await?;
        let Some(next) = next else { return Ok(ends) };
        beyond = next.shard;

        let newest = outbox::Entity::find()
            .filter(outbox::Column::Shard.eq(beyond))
            .order_by_desc(outbox::Column::Sequence)
            .one(moment)
            .await?;
        if let (Some(row), Ok(number)) = (newest, u16::try_from(beyond)) {
            let end = row.sequence + i64::from(row.count) - 1;
            ends.insert(number, mapping::unsigned(end));
        }
    }
}

fn position(row: inbox::Model) -> Option<(u16, ShardName, u64)> {
    let source = ShardName {
        service: row.source_service,
        number: u16::try_from(row.source_shard).ok()?,
    };
    let shard = u16::try_from(row.shard).ok()?;
    Some((shard, source, mapping::unsigned(row.position)))
}

fn corrupt(
    database: &ServiceDatabase,
    setting: &str,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt {
        what: format!("setting {setting} of {}", database.place()),
        source: cause.into(),
    }
}
