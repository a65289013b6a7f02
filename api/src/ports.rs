//! What the routes call: narrow traits that the wiring implements over the actors, the views and
//! the stores.
//!
//! They are object-safe and their futures stay on the worker that polls them. All parameters are
//! valid and typed: checking them is the routes' work. The public contract shapes the answers of a
//! trait, not any store.

mod actions;
mod bulk;
mod commands;
mod operations;
mod quarantine;
mod queries;
pub mod schema;
mod view_operations;

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;

pub use actions::{ActionQuery, Actions, OperatorAction};
pub use bulk::{
    Bulk, BulkError, BulkFuture, BulkOutcome, BulkRefusal, InViewsBulk, OnMany, ParkedBulk,
    SagaBulk, ViewAction,
};
pub use commands::{CommandFuture, Commands};
pub use operations::{
    Cluster, ClusterState, Health, NodePresence, NodeState, Readiness, SagaDetails, SagaQuery,
    SagaStep, Sagas, ShardState, StepAttempt,
};
pub use quarantine::{
    EventNotTakenIn, InViewsQuery, Parked, ParkedInView, ParkedMessage, ParkedQuery, Quarantine,
    QuarantineCause,
};
pub use queries::{
    AsOf, CustomerQuery, CustomerWithOrders, Freshness, History, HistoryEvent, Listed, OrderHit,
    OrderQuery, OrderSort, OrdersFound, Page, Queries, ViewAnswer,
};
pub use view_operations::{
    BuildFrom, BuildStage, QuarantinedEntity, RebuildBegun, VIEWS, ViewHealed, ViewOperations,
    ViewProgress, ViewReverted, ViewState, ViewStates, ViewStatus,
};

/// A read under way.
pub type ReadFuture<'a, T> = LocalBoxFuture<'a, Result<T, ReadError>>;

/// A query under way, in two parts: first it waits until its view shows what the caller has seen,
/// which is no work; then it reads.
pub type QueryFuture<'a, T> = ReadFuture<'a, ReadFuture<'a, ViewAnswer<T>>>;

/// Everything the routes need of the rest of the node.
#[derive(Clone)]
pub struct Ports {
    /// What changes something.
    pub commands: CommandPorts,
    /// What shows something.
    pub reads: ReadPorts,
}

/// What changes something.
#[derive(Clone)]
pub struct CommandPorts {
    /// Commands on customers, orders, sagas and parked messages.
    pub commands: Arc<dyn Commands>,
    /// What operators do to many things at once.
    pub bulk: Arc<dyn Bulk>,
    /// What operators do with views.
    pub views: Arc<dyn ViewOperations>,
}

/// What shows something.
#[derive(Clone)]
pub struct ReadPorts {
    /// Queries, answered by the views.
    pub queries: Arc<dyn Queries>,
    /// The past of customers and orders.
    pub history: Arc<dyn History>,
    /// Sagas, for operators.
    pub sagas: Arc<dyn Sagas>,
    /// What operators have done.
    pub actions: Arc<dyn Actions>,
    /// Parked messages, for operators.
    pub quarantine: Arc<dyn Quarantine>,
    /// Nodes and shards, for operators.
    pub cluster: Arc<dyn Cluster>,
    /// The states of the views, for operators.
    pub views: Arc<dyn ViewStates>,
    /// Whether the node can take commands.
    pub health: Arc<dyn Health>,
}

/// Something that a view has not reached in time.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Behind {
    /// An entity (`orders/<id>`), or the position in a shard (`orders/3`).
    pub what: String,
    /// What the caller has seen: the entity's version, or the shard's sequence.
    pub required: u64,
    /// What the view has taken in, counted alike.
    pub reached: u64,
}

/// Why a read fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// What the caller asks for does not exist.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The view has not reached, in the time given, what the caller has seen.
    #[error("the {view} view is behind")]
    ViewBehind {
        /// The view's name.
        view: String,
        /// What it has not reached.
        behind: Vec<Behind>,
    },
    /// The view has no generation that is ready, or its store does not answer.
    #[error("the {view} view is not ready")]
    Unavailable {
        /// The view's name.
        view: String,
    },
    /// This node does not show the view, and others may.
    #[error("this node does not show the {view} view")]
    NotShown {
        /// The view's name.
        view: &'static str,
    },
    /// The view has given the query up: it asks for too much.
    #[error("the {view} view has given the query up")]
    TimedOut {
        /// The view's name.
        view: String,
    },
    /// The view's data was damaged, and another generation is being built in its place.
    #[error("the {view} view is being rebuilt")]
    Rebuilding {
        /// The view's name.
        view: String,
    },
    /// The present state does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The key was used for another request.
    #[error("the key was used for another request")]
    KeyReused,
    /// The service's own database does not answer.
    #[error("the store does not answer")]
    StoreUnavailable,
    /// The cursor was not given out for this list.
    #[error("the cursor is not one of this list")]
    InvalidCursor,
    /// The text is no consistency token.
    #[error("the consistency token cannot be read")]
    InvalidToken,
    /// The consistency token was given out by another deployment.
    #[error("the consistency token is of another deployment")]
    ForeignToken,
    /// A parameter that only the view can judge, such as the syntax of a search text.
    #[error("{field}: {message}")]
    InvalidQuery {
        /// The parameter.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// Stored data cannot be read, or the like: the log has the details.
    #[error("the read failed")]
    Failed,
}
