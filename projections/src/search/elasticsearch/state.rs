//! What is stored besides the orders: the catalog, and how far each generation has come. One
//! document each, read by id and so always as it was written last.

use elasticsearch::http::Method;
use elasticsearch::http::request::JsonBody;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Positions;

use super::client::{Client, Failure, Found, NO_INDEX, READ_TIMEOUT};
use super::index::{Names, create_orders, ensure_views, exists};
use crate::generations::Catalog;
use crate::search::VIEW;
use crate::{QuarantinedEntity, ViewError, positions};

const CATALOG: &str = "orders";
/// Writing makes no index.
const REQUIRE_ALIAS: (&str, &str) = ("require_alias", "true");

fn state_id(generation: u32) -> String {
    format!("orders-{generation}")
}

/// How far a generation has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct GenerationState {
    /// What may be found, at most.
    pub(super) reach: Positions,
    /// What is found, at least.
    pub(super) positions: Positions,
    pub(super) quarantined: Vec<QuarantinedEntity>,
}

#[derive(Deserialize, Serialize)]
struct Wire {
    reach: String,
    positions: String,
    quarantined: Vec<QuarantinedEntity>,
}

impl GenerationState {
    fn read(wire: Wire) -> Result<Self, serde_json::Error> {
        let Wire {
            reach,
            positions,
            quarantined,
        } = wire;

        let (reach, positions) = (
            positions::from_json(&reach)?,
            positions::from_json(&positions)?,
        );

        Ok(GenerationState {
            reach,
            positions,
            quarantined,
        })
    }

    fn write(&self) -> Result<Wire, serde_json::Error> {
        let (reach, positions) = (
            positions::to_json(&self.reach)?,
            positions::to_json(&self.positions)?,
        );
        Ok(Wire {
            reach,
            positions,
            quarantined: self.quarantined.clone(),
        })
    }
}

/// The larger of both, shard by shard.
pub(super) fn furthest(one: &Positions, other: &Positions) -> Positions {
    let mut furthest = one.clone();
    for (shard, sequence) in other {
        let known = furthest.entry(*shard).or_default();
        *known = (*known).max(*sequence);
    }
    furthest
}

/// Which write of the state was read or made last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Written {
    #[serde(rename = "_seq_no")]
    seq_no: u64,
    #[serde(rename = "_primary_term")]
    primary_term: u64,
}

fn damaged(error: &serde_json::Error) -> ViewError {
    ViewError::Corrupt {
        view: VIEW,
        what: format!("what is stored besides the orders: {error}"),
    }
}

/// Makes what a generation needs. Of one whose index is gone nothing else may be left: it has taken
/// in nothing.
pub(super) async fn ensure_generation(
    client: &Client,
    names: &Names,
    generation: u32,
) -> Result<(), Failure> {
    ensure_views(client, names).await?;
    if exists(client, &names.orders(generation)).await? {
        return Ok(());
    }
    discard(client, names, generation).await?;
    create_orders(client, names, generation).await
}

/// The state, and the write it is from; `None` before the first.
pub(super) async fn load(
    client: &Client,
    names: &Names,
    generation: u32,
) -> Result<(GenerationState, Option<Written>), ViewError> {
    let found: Option<Found<Wire>> = client.get(&names.views(), &state_id(generation)).await?;

    let Some(Found {
        source,
        seq_no,
        primary_term,
    }) = found
    else {
        return Ok((GenerationState::default(), None));
    };

    let state = GenerationState::read(source).map_err(|error| damaged(&error))?;
    Ok((
        state,
        Some(Written {
            seq_no,
            primary_term,
        }),
    ))
}

/// Stores the state, if nobody has since the write that is named; durable when it returns.
pub(super) async fn store(
    client: &Client,
    names: &Names,
    generation: u32,
    state: &GenerationState,
    over: Option<Written>,
) -> Result<Written, ViewError> {
    let path = format!("/{}/_doc/{}", names.views_to_write(), state_id(generation));
    let body = JsonBody::new(state.write().map_err(|error| damaged(&error))?);

    let written = match over {
        None => {
            client
                .send(
                    Method::Put,
                    &path,
                    &[REQUIRE_ALIAS, ("op_type", "create")],
                    Some(body),
                    READ_TIMEOUT,
                )
                .await
        }
        Some(Written {
            seq_no,
            primary_term,
        }) => {
            let (seq_no, primary_term) = (seq_no.to_string(), primary_term.to_string());
            let parameters = [
                REQUIRE_ALIAS,
                ("if_seq_no", seq_no.as_str()),
                ("if_primary_term", primary_term.as_str()),
            ];
            client
                .send(Method::Put, &path, &parameters, Some(body), READ_TIMEOUT)
                .await
        }
    };
    Ok(written?)
}

/// Deletes the state of a generation.
pub(super) async fn discard(
    client: &Client,
    names: &Names,
    generation: u32,
) -> Result<(), Failure> {
    client
        .delete(&format!("/{}/_doc/{}", names.views(), state_id(generation)))
        .await
}

#[derive(Deserialize, Serialize)]
struct CatalogDocument {
    catalog: Value,
}

pub(super) async fn load_catalog(client: &Client, names: &Names) -> Result<Catalog, ViewError> {
    let found: Option<Found<CatalogDocument>> = match client.get(&names.views(), CATALOG).await {
        Err(failure) if failure.is_kind(NO_INDEX) => None,
        found => found?,
    };
    let Some(found) = found else {
        return Ok(Catalog::default());
    };
    serde_json::from_value(found.source.catalog).map_err(|error| damaged(&error))
}

pub(super) async fn store_catalog(
    client: &Client,
    names: &Names,
    catalog: &Catalog,
) -> Result<(), ViewError> {
    ensure_views(client, names).await?;
    let path = format!("/{}/_doc/{CATALOG}", names.views_to_write());

    let body = CatalogDocument {
        catalog: serde_json::to_value(catalog).map_err(|error| damaged(&error))?,
    };

    client
        .send::<Value>(
            Method::Put,
            &path,
            &[REQUIRE_ALIAS],
            Some(JsonBody::new(body)),
            READ_TIMEOUT,
        )
        .await?;

    Ok(())
}

/// Lets the name under which people look at the orders stand for the generation that answers.
pub(super) async fn point_alias(client: &Client, names: &Names, live: u32) -> Result<(), Failure> {
    let (alias, all) = (names.live(), format!("{}-*", names.live()));
    let remove = json!({ "remove": { "index": all, "alias": alias, "must_exist": false } });
    let add = json!({ "add": { "index": names.orders(live), "alias": alias } });
    let body = JsonBody::new(json!({ "actions": [remove, add] }));
    client
        .send::<Value>(Method::Post, "/_aliases", &[], Some(body), READ_TIMEOUT)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::ShardId;

    use super::*;

    #[test]
    fn positions_never_go_back() {
        let shard = |number| ShardId::new(domain::ORDERS, number);
        let one = Positions::from([(shard(1), 5), (shard(2), 9)]);
        let other = Positions::from([(shard(2), 3), (shard(3), 1)]);
        let furthest_of_both = Positions::from([(shard(1), 5), (shard(2), 9), (shard(3), 1)]);
        assert_eq!(furthest(&one, &other), furthest_of_both);
        assert_eq!(furthest(&other, &one), furthest_of_both);
    }
}
