//! How far a generation has come: one document, whose numbers never go back.

use std::collections::HashMap;

use domain::{Service, ShardId};
use mongodb::Database;
use mongodb::bson::raw::CString;
use mongodb::bson::{Document, RawDocumentBuf, doc, rawdoc};
use mongodb::options::{CollectionOptions, ReadConcern};
use serde::Deserialize;
use store::Positions;
use uuid::Uuid;

use super::bulk::{Kind, Until, Writes};
use super::errors::{DUPLICATE_KEY, failed};
use super::shapes::{stored_version, version_of};
use crate::ViewError;
use crate::documents::{VIEW, damaged, refused};

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
pub(super) async fn committed(
    database: &Database,
    generation: u32,
) -> Result<Positions, ViewError> {
    read_back(load(database, generation).await?.positions)
}

/// The positions of the newest commit that is done or under way.
pub(super) async fn reaching(database: &Database, generation: u32) -> Result<Positions, ViewError> {
    read_back(load(database, generation).await?.reaching)
}

/// Whose positions are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The number of the generation.
    pub generation: u32,
    /// Whose generation it is.
    pub deployment: Uuid,
}

/// A commit is about to write what belongs to some positions: its documents are durable only with
/// this. What belongs to those of the commit before is durable.
pub(super) async fn begin(
    writes: &mut Writes<'_>,
    place: Place,
    reaching: &Positions,
    committed: &Positions,
) -> Result<(), ViewError> {
    raise(
        writes,
        place,
        &[("reaching", reaching), ("positions", committed)],
    )
    .await
}

/// What belongs to these positions is durable. That it is said so need not be: who does not find it
/// writes again.
pub(super) async fn finish(
    database: &Database,
    place: Place,
    positions: &Positions,
) -> Result<(), ViewError> {
    raise(
        &mut Writes::new(database),
        place,
        &[("reaching", positions), ("positions", positions)],
    )
    .await
}

pub(super) async fn forget(database: &Database, generation: u32) -> Result<(), ViewError> {
    let positions = database.collection::<Document>(COLLECTION);
    positions
        .delete_one(doc! {"_id": i64::from(generation)})
        .await
        .map_err(failed)?;
    Ok(())
}

async fn load(database: &Database, generation: u32) -> Result<Stored, ViewError> {
    // Positions that an election takes back are right all the same: what belongs to them is
    // durable.
    let options = CollectionOptions::builder()
        .read_concern(ReadConcern::local())
        .build();
    let positions = database.collection_with_options::<Stored>(COLLECTION, options);
    let found = positions
        .find_one(doc! {"_id": i64::from(generation)})
        .await
        .map_err(failed)?;
    Ok(found.unwrap_or_default())
}

async fn raise(
    writes: &mut Writes<'_>,
    place: Place,
    fields: &[(&str, &Positions)],
) -> Result<(), ViewError> {
    if fields.iter().all(|(_, positions)| positions.is_empty()) {
        return Ok(());
    }

    let mut numbers = RawDocumentBuf::new();

    for (field, positions) in fields {
        for (shard, sequence) in *positions {
            let name = format!("{field}.{}.{}", shard.service, shard.number);
            numbers.append(
                CString::try_from(name).map_err(refused)?,
                stored_version(*sequence)?,
            );
        }
    }

    let (generation, deployment) = (i64::from(place.generation), place.deployment.to_string());
    let ours = rawdoc! {"_id": generation, "deployment": deployment};
    let raise = rawdoc! {"q": ours, "u": {"$max": numbers}, "upsert": true};
    let refused = writes
        .write(COLLECTION, Kind::Update, &[raise], Until::Written)
        .await?;

    match refused.into_iter().next() {
        None => Ok(()),
        Some(refused) if refused.code == DUPLICATE_KEY => Err(ViewError::Foreign {
            view: VIEW,
            what: format!("generation {generation} belongs to another deployment now"),
        }),
        Some(refused) => Err(refused.into()),
    }
}

fn read_back(stored: ByService) -> Result<Positions, ViewError> {
    let mut positions = Positions::new();
    for (service, shards) in stored {
        let service = Service::from_name(&service)
            .ok_or_else(|| damaged(format_args!("positions of {service}")))?;
        for (number, sequence) in shards {
            let number = number
                .parse()
                .map_err(|_| damaged(format_args!("position of shard {number}")))?;
            positions.insert(ShardId::new(service, number), version_of(sequence)?);
        }
    }
    Ok(positions)
}
