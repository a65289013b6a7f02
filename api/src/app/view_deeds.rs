//! What can be done with a view, as one value: it is carried out here or at another node, and kept
//! wherever it was asked for.

use actors::RequestBinding;
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ports::{BuildFrom, ReadFuture};

/// What is to be done with a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Deed {
    RebuildFromHistory,
    RebuildFromEntities,
    Revert,
    Heal(Uuid),
}

/// What has come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// The generation that is built or gone back to, or the version of the entity.
    pub number: u64,
    /// Whether it is shown already.
    pub answers: bool,
}

/// How a view was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Before {
    Generation {
        /// The one that answered.
        generation: Option<u32>,
        /// The one to go back to.
        #[serde(skip_serializing_if = "Option::is_none")]
        kept: Option<u32>,
    },
    Entity {
        /// What could not be taken in of it, and why.
        quarantined: Option<NotTakenIn>,
    },
}

/// An event that stops an entity in a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct NotTakenIn {
    /// The service that the entity belongs to.
    pub service: &'static str,
    /// The version that the event would have made.
    pub version: u64,
    /// Why it could not be taken in.
    pub cause: String,
}

impl Deed {
    pub(super) const fn rebuild(from: BuildFrom) -> Self {
        match from {
            BuildFrom::History => Deed::RebuildFromHistory,
            BuildFrom::Entities => Deed::RebuildFromEntities,
        }
    }
}

impl Done {
    pub(super) fn generation(number: u32, answers: bool) -> Self {
        let number = u64::from(number);
        Done { number, answers }
    }
}

/// Does something with views. Nothing is kept of it.
pub(super) trait ViewDeeds: Send + Sync {
    /// Does it. A key that has begun or gone back to a generation gets that one again.
    fn carry_out<'a>(
        &'a self,
        view: &'a str,
        deed: Deed,
        by: Option<RequestBinding>,
    ) -> ReadFuture<'a, Done>;

    /// How the view is as this node sees it, as far as the deed is about it.
    fn before<'a>(&'a self, view: &'a str, deed: Deed) -> LocalBoxFuture<'a, Option<Before>>;
}
