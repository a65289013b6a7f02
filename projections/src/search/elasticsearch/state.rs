//! What is stored of a generation besides its orders: how far it has come, whose it is, and which
//! index is its own. It is one document, read by id and so always as it was written last.

use elasticsearch::http::Method;
use elasticsearch::http::request::JsonBody;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Positions;
use uuid::Uuid;

use super::client::{Client, Failure, Found, READ_TIMEOUT};
use super::index::Names;
use crate::search::damaged;
use crate::{QuarantinedEntity, ViewError, positions};

/// Writing makes no index.
pub(super) const REQUIRE_ALIAS: (&str, &str) = ("require_alias", "true");

fn state_id(generation: u32) -> String {
    format!("orders-{generation}")
}

/// How far a generation has come, and whose it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct GenerationState {
    /// What may be found, at most.
    pub(super) reach: Positions,
    /// What is found, at least.
    pub(super) positions: Positions,
    pub(super) quarantined: Vec<QuarantinedEntity>,
    /// The deployment that has made it. Release 0.1 has noted neither this nor the index.
    pub(super) deployment: Option<Uuid>,
    /// The index that it was made with, by the id that the server has given it.
    pub(super) index: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Wire {
    reach: String,
    positions: String,
    quarantined: Vec<QuarantinedEntity>,
    #[serde(default)]
    deployment: Option<Uuid>,
    #[serde(default)]
    index: Option<String>,
}

impl GenerationState {
    fn read(wire: Wire) -> Result<Self, serde_json::Error> {
        Ok(GenerationState {
            reach: positions::from_json(&wire.reach)?,
            positions: positions::from_json(&wire.positions)?,
            quarantined: wire.quarantined,
            deployment: wire.deployment,
            index: wire.index,
        })
    }

    fn write(&self) -> Result<Wire, serde_json::Error> {
        Ok(Wire {
            reach: positions::to_json(&self.reach)?,
            positions: positions::to_json(&self.positions)?,
            quarantined: self.quarantined.clone(),
            deployment: self.deployment,
            index: self.index.clone(),
        })
    }
}

/// The larger of both, shard by shard.
pub(super) fn furthest(one: &Positions, other: &Positions) -> Positions {
    let mut furthest = one.clone();
    positions::raise(&mut furthest, other);
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

fn unreadable(error: serde_json::Error) -> ViewError {
    damaged(format_args!("what is stored besides the orders: {error}"))
}

/// The state, and the write it is from; `None` before the first.
pub(super) async fn load(
    client: &Client,
    names: &Names,
    generation: u32,
) -> Result<(GenerationState, Option<Written>), ViewError> {
    let found: Option<Found<Value>> = client.get(&names.views(), &state_id(generation)).await?;
    let Some(Found {
        source,
        seq_no,
        primary_term,
    }) = found
    else {
        return Ok((GenerationState::default(), None));
    };

    let wire = serde_json::from_value(source).map_err(unreadable)?;
    let state = GenerationState::read(wire).map_err(unreadable)?;
    let written = Written {
        seq_no,
        primary_term,
    };
    Ok((state, Some(written)))
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
    let body = JsonBody::new(state.write().map_err(unreadable)?);

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
