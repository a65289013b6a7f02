//! How far a generation has come: one document, whose numbers never go back.

use std::collections::HashMap;

use domain::{Service, ShardId};
use mongodb::Database;
use mongodb::bson::{Document, doc};
use serde::Deserialize;
use store::Positions;

use super::errors::failed;
use super::shapes::{stored_version, version_of};
use crate::ViewError;
use crate::documents::corrupt;

pub(super) const COLLECTION: &str = "view_positions";

/// Numbers by service and shard.
type ByService = HashMap<String, HashMap<String, i64>>;

#[derive(Default, Deserialize)]
struct Stored {
    /// What is written in whole.
    #[serde(default)]
    positions: ByService,
    /// What may be written in part; never less than the positions.
    #[serde(default)]
    reaching: ByService,
}

/// The positions of the newest commit that is done.
pub(super) async fn committed(database: &Database, generation: u32) -> Result<Positions, ViewError> {
    read_back(load(database, generation).await?.positions)
}

/// The positions of the newest commit that is done or under way.
pub(super) async fn reaching(database: &Database, generation: u32) -> Result<Positions, ViewError> {
    read_back(load(database, generation).await?.reaching)
}

/// A commit is about to write what belongs to these positions.
pub(super) async fn begin(database: &Database, generation: u32, positions: &Positions) -> Result<(), ViewError> {
    raise(database, generation, positions, &["reaching"]).await
}

/// What belongs to these positions is written.
pub(super) async fn finish(database: &Database, generation: u32, positions: &Positions) -> Result<(), ViewError> {
    raise(database, generation, positions, &["reaching", "positions"]).await
}

pub(super) async fn forget(database: &Database, generation: u32) -> Result<(), ViewError> {
    let positions = database.collection::<Document>(COLLECTION);
    positions.delete_one(doc! {"_id": i64::from(generation)}).await.map_err(failed)?;
    Ok(())
}

async fn load(database: &Database, generation: u32) -> Result<Stored, ViewError> {
    let positions = database.collection::<Stored>(COLLECTION);
    let found = positions.find_one(doc! {"_id": i64::from(generation)}).await.map_err(failed)?;
    Ok(found.unwrap_or_default())
}

async fn raise(database: &Database, generation: u32, positions: &Positions, fields: &[&str]) -> Result<(), ViewError> {
    if positions.is_empty() {
        return Ok(());
    }
    let mut numbers = Document::new();
    for field in fields {
        for (shard, sequence) in positions {
            numbers.insert(format!("{field}.{}.{}", shard.service, shard.number), stored_version(*sequence)?);
        }
    }
    let collection = database.collection::<Document>(COLLECTION);
    let update = collection.update_one(doc! {"_id": i64::from(generation)}, doc! {"$max": numbers});
    update.upsert(true).await.map_err(failed)?;
    Ok(())
}

fn read_back(stored: ByService) -> Result<Positions, ViewError> {
    let mut positions = Positions::new();
    for (service, shards) in stored {
        let service = Service::from_name(&service).ok_or_else(|| corrupt(format_args!("positions of {service}")))?;
        for (number, sequence) in shards {
            let number = number.parse().map_err(|_| corrupt(format_args!("position of shard {number}")))?;
            positions.insert(ShardId::new(service, number), version_of(sequence)?);
        }
    }
    Ok(positions)
}
