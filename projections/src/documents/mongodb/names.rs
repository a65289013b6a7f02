//! The names under which people find the answering generation: MongoDB's own views `customers` and
//! `orders`, which show its documents without what only our queries use.

use mongodb::Database;
use mongodb::bson::{Document, doc};

use super::errors::{NAMESPACE_EXISTS, code_of, failed};
use super::updates::keep_newest;
use super::{Names, queries};
use crate::ViewError;
use crate::documents::refused;

const CUSTOMERS: &str = "customers";
const ORDERS: &str = "orders";

/// Lets the names point to a generation, or to nothing.
pub(super) async fn point_to(database: &Database, live: Option<u32>) -> Result<(), ViewError> {
    let Some(live) = live.map(Names::of) else {
        return drop_all(database).await;
    };

    let newest = Document::try_from(keep_newest()?).map_err(refused)?;
    let ours = doc! {"$unset": ["nameFolded", "largestOrder"]};
    let shown = vec![doc! {"$match": queries::is_customer()}, newest, ours];
    point(database, CUSTOMERS, &live.customers, shown).await?;

    point(database, ORDERS, &live.orders, Vec::new()).await
}

/// Drops the names. A collection that has such a name is somebody else's, and no view of ours.
async fn drop_all(database: &Database) -> Result<(), ViewError> {
    let views = doc! {"type": "view", "name": {"$in": [CUSTOMERS, ORDERS]}};
    let named = database.list_collection_names().filter(views).await;
    for name in named.map_err(failed)? {
        let view = database.collection::<Document>(&name);
        view.drop().await.map_err(failed)?;
    }
    Ok(())
}

async fn point(
    database: &Database,
    name: &str,
    to: &str,
    pipeline: Vec<Document>,
) -> Result<(), ViewError> {
    let create = doc! {"create": name, "viewOn": to, "pipeline": &pipeline, "writeConcern": {"w": "majority"}};
    match database.run_command(create).await {
        Err(error) if code_of(&error) == Some(NAMESPACE_EXISTS) => {
            let change = doc! {"collMod": name, "viewOn": to, "pipeline": pipeline, "writeConcern": {"w": "majority"}};
            database.run_command(change).await.map_err(failed)?;
            Ok(())
        }
        created => created.map(drop).map_err(failed),
    }
}
