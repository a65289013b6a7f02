//! The catalog of the view's generations: a document beside their states.

use elasticsearch::http::Method;
use elasticsearch::http::request::JsonBody;
use serde_json::{Value, json};

use super::client::{Client, Failure, Found, NO_INDEX, READ_TIMEOUT, is_bad_data};
use super::index::{Names, ensure_views};
use super::state::REQUIRE_ALIAS;
use crate::ViewError;
use crate::generations::Catalog;
use crate::search::{VIEW, damaged};

const CATALOG: &str = "orders";

/// The catalog saved last; the empty one when there is none.
///
/// # Errors
/// [`ViewError::Damaged`] when what is there is no catalog.
pub(super) async fn load(client: &Client, names: &Names) -> Result<Catalog, ViewError> {
    let Some(found) = find(client, names).await? else {
        return Ok(Catalog::default());
    };
    read(&found.source).map_err(|error| damaged(format_args!("its catalog: {error}")))
}

fn read(stored: &Value) -> Result<Catalog, serde_json::Error> {
    serde_json::from_value(stored.get("catalog").cloned().unwrap_or_default())
}

/// Stores the catalog over whatever is there, if that is no newer one, and not the catalog of
/// another deployment.
pub(super) async fn store(
    client: &Client,
    names: &Names,
    catalog: &Catalog,
) -> Result<(), ViewError> {
    ensure_views(client, names).await?;

    match write(client, names, catalog).await {
        // Somebody has made the index before us, with fields that our documents do not fit.
        Err(Attempt::Failed(Failure::Refused { status, .. })) if is_bad_data(status) => {
            client.delete(&format!("/{}", names.views())).await?;
            ensure_views(client, names).await?;
            Ok(write(client, names, catalog).await?)
        }
        written => Ok(written?),
    }
}

/// Why a catalog is not written.
enum Attempt {
    Failed(Failure),
    /// What is there stays.
    InVain(ViewError),
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Attempt::Failed(failure)
    }
}

impl From<Attempt> for ViewError {
    fn from(attempt: Attempt) -> Self {
        match attempt {
            Attempt::Failed(failure) => failure.into(),
            Attempt::InVain(error) => error,
        }
    }
}

async fn write(client: &Client, names: &Names, catalog: &Catalog) -> Result<(), Attempt> {
    let found = find(client, names).await?;
    let other = found.as_ref().and_then(|found| owner(&found.source));
    if let (Some(ours), Some(other)) = (catalog.deployment, other)
        && other != ours.to_string()
    {
        let other = other.parse().unwrap_or_default();
        return Err(Attempt::InVain(ViewError::foreign(VIEW, other, ours)));
    }
    let stored = found.as_ref().and_then(|found| read(&found.source).ok());
    if stored.is_some_and(|stored| !catalog.follows_on(&stored)) {
        return Err(Attempt::InVain(ViewError::overtaken(VIEW)));
    }

    // Only over what was looked at.
    let only = match &found {
        None => vec![("op_type", "create".to_owned())],
        Some(found) => vec![
            ("if_seq_no", found.seq_no.to_string()),
            ("if_primary_term", found.primary_term.to_string()),
        ],
    };
    let only = only.iter().map(|(name, value)| (*name, value.as_str()));
    let parameters: Vec<_> = [REQUIRE_ALIAS].into_iter().chain(only).collect();

    let path = format!("/{}/_doc/{CATALOG}", names.views_to_write());
    let body = Some(JsonBody::new(json!({ "catalog": catalog })));
    client
        .send::<Value>(Method::Put, &path, &parameters, body, READ_TIMEOUT)
        .await?;
    Ok(())
}

async fn find(client: &Client, names: &Names) -> Result<Option<Found<Value>>, Failure> {
    match client.get(&names.views(), CATALOG).await {
        Err(failure) if failure.is_kind(NO_INDEX) => Ok(None),
        found => found,
    }
}

/// The deployment of what is stored, also of what cannot be read otherwise.
fn owner(stored: &Value) -> Option<&str> {
    stored.get("catalog")?.get("deployment")?.as_str()
}
