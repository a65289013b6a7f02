//! What operators do to many things at once: the port, and the shape of the public contract.

use actors::{CommandError, Operator, ParkedAction, RequestBinding, SagaAction};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{InViewsQuery, ParkedQuery, ReadError, SagaQuery};

/// One action on all things that a query finds.
#[derive(Clone, Debug)]
pub struct OnMany<A, Q> {
    /// What is done to each.
    pub action: A,
    /// Which ones; its page says how many of them at once.
    pub which: Q,
    /// Only tells what would be meant.
    pub dry_run: bool,
    /// Who does it, and why.
    pub by: Operator,
    /// The key that it is done once for; without one, it is done each time.
    pub binding: Option<RequestBinding>,
}

/// One action on many sagas.
pub type SagaBulk = OnMany<SagaAction, SagaQuery>;

/// A replay, or a discard, of many parked messages.
pub type ParkedBulk = OnMany<ParkedAction, ParkedQuery>;

/// What is done to many entities that views take in no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewAction {
    /// They are put as their histories have them.
    Heal,
}

impl ViewAction {
    /// As callers ask for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ViewAction::Heal => "heal",
        }
    }
}

/// A healing of many entities in views.
pub type InViewsBulk = OnMany<ViewAction, InViewsQuery>;

/// What has become of an action on many things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkOutcome {
    /// What was asked for.
    pub action: String,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// How many this request was about: at most its `limit`.
    pub matched: usize,
    /// To how many it was done.
    pub done: usize,
    /// How many are not in a state for it, any more or at all.
    pub refused: usize,
    /// What it was about: sagas, parked messages, or entities in views, each as often as it is
    /// meant in a view.
    pub ids: Vec<Uuid>,
    /// Why, of the first few.
    pub refusals: Vec<BulkRefusal>,
    /// There are more: the `cursor` of the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Why something was not done to one of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkRefusal {
    /// The saga, the parked message, or the entity in a view.
    pub id: Uuid,
    /// Why it was not done, in words.
    pub detail: String,
}

/// Why an action on many things has no outcome. What was done is done: it can be asked for again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BulkError {
    /// What it is about cannot be found out.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be carried out.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// An action on many things under way. When this future is dropped, it may have been done to some.
pub type BulkFuture<'a> = LocalBoxFuture<'a, Result<BulkOutcome, BulkError>>;

/// Carries out actions on many things, a bounded number at once.
pub trait Bulk: Send + Sync {
    /// On sagas.
    fn sagas(&self, asked: SagaBulk) -> BulkFuture<'_>;

    /// On parked messages.
    fn parked(&self, asked: ParkedBulk) -> BulkFuture<'_>;

    /// On entities that views take in no longer.
    fn in_views(&self, asked: InViewsBulk) -> BulkFuture<'_>;
}
