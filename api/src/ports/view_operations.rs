//! Views as operators see them: their states, and what operators can do with them.

use actors::{Operator, RequestBinding};
use domain::Timestamp;
use projections::{documents, search};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ReadFuture, schema};

/// The names of all views.
pub const VIEWS: [&str; 2] = [documents::VIEW, search::VIEW];

/// What a view is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ViewState {
    /// It answers.
    Live,
    /// It answers, or will, and another generation is built.
    Rebuilding,
    /// It has failed, and its error says why.
    Failed,
}

/// How one view stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ViewStatus {
    /// The view's name: `documents` or `search`.
    pub name: String,
    /// What keeps it, for example `sqlite` or `elasticsearch`.
    pub backend: String,
    /// Whether it answers, is rebuilt, or has failed.
    pub state: ViewState,
    /// Committed events it has not taken in.
    pub lag: u64,
    /// The generation that answers; absent while the first one is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// The generation that has answered before, and can be gone back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<u32>,
    /// Of the generation that is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ViewProgress>,
    /// Why it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Entities one of whose events could not be taken in, the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub quarantined: Vec<QuarantinedEntity>,
}

/// An entity that a view shows as it was before an event that could not be taken in.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuarantinedEntity {
    /// The service that the entity belongs to.
    pub service: String,
    /// The customer or order.
    pub entity_id: Uuid,
    /// The version that could not be taken in.
    pub version: u64,
    /// When that happened to the entity.
    #[schema(value_type = schema::Time)]
    pub since: Timestamp,
    /// Why the event could not be taken in.
    pub cause: String,
}

/// From what a generation is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BuildFrom {
    /// All events.
    #[default]
    History,
    /// The entities as they stand, then the events since.
    Entities,
}

impl BuildFrom {
    /// All there are.
    pub const ALL: [BuildFrom; 2] = [BuildFrom::History, BuildFrom::Entities];

    /// As a parameter names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BuildFrom::History => "history",
            BuildFrom::Entities => "entities",
        }
    }
}

/// What is done to a generation that is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BuildStage {
    /// Entities are copied.
    Copying,
    /// Events are taken in.
    CatchingUp,
    /// The generation is compared with the one that answers, entity by entity; it is fed meanwhile.
    Comparing,
    /// It must not answer; the view's error says why. A new rebuild takes its place.
    Stopped,
}

/// How far the building of a generation is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ViewProgress {
    /// The number of the generation that is built.
    pub generation: u32,
    /// What it is built from.
    pub from: BuildFrom,
    /// What is done for it at present.
    pub stage: BuildStage,
    /// Entities while copying and comparing, otherwise places of the log.
    pub done: u64,
    /// What `done` comes to at the end, as far as known now.
    pub total: u64,
    /// From 0 to 1.
    pub fraction: f64,
    /// Entities while copying and comparing.
    pub events_per_second: f64,
    /// Absent until it can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
}

/// A rebuild that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RebuildBegun {
    /// The view's name.
    pub name: String,
    /// The generation that is built.
    pub generation: u32,
    /// What it is built from.
    pub from: BuildFrom,
}

/// A way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ViewReverted {
    /// The view's name.
    pub name: String,
    /// The generation that answers, or will in a moment.
    pub generation: u32,
    /// Whether that generation answers already.
    #[serde(skip)]
    pub done: bool,
}

/// One entity healed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ViewHealed {
    /// The view's name.
    pub name: String,
    /// The customer or order.
    pub entity_id: Uuid,
    /// The version that the view shows of it now, at least.
    pub version: u64,
}

/// Shows how the views are.
pub trait ViewStates: Send + Sync {
    /// All views, each with what it is at.
    fn views(&self) -> ReadFuture<'_, Vec<ViewStatus>>;
}

/// What operators do with views. Each is kept with who has done it and why, and done once for a
/// key.
pub trait ViewOperations: Send + Sync {
    /// Begins a new generation.
    fn rebuild<'a>(
        &'a self,
        name: &'a str,
        from: BuildFrom,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> ReadFuture<'a, RebuildBegun>;

    /// Goes back to the generation that has answered before.
    fn revert<'a>(
        &'a self,
        name: &'a str,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> ReadFuture<'a, ViewReverted>;

    /// Replaces what the view shows of one entity by what its history says.
    fn heal<'a>(
        &'a self,
        name: &'a str,
        entity: Uuid,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> ReadFuture<'a, ViewHealed>;
}
