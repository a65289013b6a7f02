//! What an operator sees: sagas, cluster, health; the quarantine is next door. These shapes are the
//! public contract's own, so they go to the wire as they stand.

use std::time::Duration;

use domain::saga::{SagaState, StepState};
use domain::{OrderId, SagaId, Timestamp};
use sagas::timeline::{AttemptOutcome, ShownAttempt};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Listed, OperatorAction, Page, ReadFuture, schema};

/// Which sagas to list, newest first.
#[derive(Clone, Debug)]
pub struct SagaQuery {
    /// The name of its definition.
    pub kind: Option<&'static str>,
    /// Only those in this state.
    pub state: Option<SagaState>,
    /// Only those that began longer ago than this.
    pub older_than: Option<Duration>,
    /// Only those that work on this order.
    pub order: Option<OrderId>,
    /// A text in the reason or in what a step shows, whatever its case.
    pub cause: Option<String>,
    /// Which part of the list.
    pub page: Page,
}

/// A saga and its steps.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SagaDetails {
    /// The saga's own id.
    #[schema(value_type = Uuid)]
    pub saga_id: SagaId,
    /// The name of its definition.
    #[serde(rename = "type")]
    #[schema(value_type = schema::SagaType)]
    pub kind: &'static str,
    /// How far it has come.
    #[schema(value_type = schema::SagaState)]
    pub state: SagaState,
    /// The order that it works on.
    #[schema(value_type = Uuid)]
    pub order_id: OrderId,
    /// When it began.
    #[schema(value_type = schema::Time)]
    pub started_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = schema::Time)]
    pub updated_at: Timestamp,
    /// When it ended; absent while it has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub ended_at: Option<Timestamp>,
    /// When it compensates, unless it has ended or passed its pivot by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub deadline: Option<Timestamp>,
    /// Why it compensates, or has compensated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often the running step, or its compensation, has been attempted.
    pub attempts: u32,
    /// One for each step of its definition, in their order, those to come included.
    pub steps: Vec<SagaStep>,
    /// Counts the saga's changes.
    pub version: u64,
    /// What operators have done to it, oldest first; not in a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<OperatorAction>,
}

/// One step of a saga.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SagaStep {
    /// The step's name, unique within the saga.
    pub name: String,
    /// `local`, or the service that takes part.
    pub kind: String,
    /// How far it has come.
    #[schema(value_type = schema::StepState)]
    pub state: StepState,
    /// When the state was reached; absent while it is `REMAINING`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub at: Option<Timestamp>,
    /// More about the state, where there is more to say: the name of a reason, or words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The newest attempts of one that asks another service, oldest first, ten at most; not in a
    /// list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 10)]
    pub attempts: Vec<StepAttempt>,
}

/// One command of a step, or of its compensation, and what it has come to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepAttempt {
    /// Counts the commands of the saga, over all its steps.
    #[schema(minimum = 1)]
    pub number: u32,
    /// When it was sent.
    #[schema(value_type = schema::Time)]
    pub at: Timestamp,
    /// The wire name of the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "customer.reserve-credit")]
    pub sent: Option<&'static str>,
    /// Whether it undoes the step.
    pub compensates: bool,
    /// What has become of it so far.
    #[schema(value_type = schema::AttemptOutcome)]
    pub outcome: AttemptOutcome,
    /// When the answer came; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Time>)]
    pub answered_at: Option<Timestamp>,
    /// The wire name of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Why it was refused, or why nobody waits for its answer any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl From<ShownAttempt> for StepAttempt {
    fn from(attempt: ShownAttempt) -> Self {
        StepAttempt {
            number: attempt.number,
            at: attempt.sent_at,
            sent: attempt.sent,
            compensates: attempt.undoes,
            outcome: attempt.outcome,
            answered_at: attempt.answered_at,
            answer: attempt.answer,
            cause: attempt.cause,
        }
    }
}

/// Shows sagas, from the orders' own database.
pub trait Sagas: Send + Sync {
    /// The sagas that a query asks for, newest first.
    fn list(&self, query: SagaQuery) -> ReadFuture<'_, Listed<SagaDetails>>;

    /// One saga; not found when there is none of this id.
    fn show(&self, id: SagaId) -> ReadFuture<'_, SagaDetails>;
}

/// The nodes, and who owns which shard. Any node tells of all of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterState {
    /// The node that answers.
    pub node_id: String,
    /// In the order of their names.
    pub nodes: Vec<NodeState>,
    /// All shards that any node has ever taken over, by service and number.
    pub shards: Vec<ShardState>,
}

/// Whether a node is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NodePresence {
    /// It has told of itself within seconds.
    Present,
    /// It has fallen silent; it is forgotten after ten minutes.
    Absent,
}

/// One node of the cluster, as it has told of itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeState {
    /// The node's name, unique in the cluster.
    pub node_id: String,
    /// Whether it is there.
    pub state: NodePresence,
    /// The version of its binary.
    pub release: String,
    /// What it does, such as `api` or `actors`.
    pub roles: Vec<String>,
    /// The services whose shards it may own.
    pub services: Vec<String>,
    /// Where it listens; absent when that is every address of its machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When it started.
    #[schema(value_type = schema::Time)]
    pub started_at: Timestamp,
    /// When the node that answers has heard of it last.
    #[schema(value_type = schema::Time)]
    pub last_seen_at: Timestamp,
    /// Entity actors in memory.
    pub actors: u64,
    /// Whether it feeds the views on servers: one node does for all.
    pub feeds_views: bool,
    /// How many shards it owns.
    pub shards: u64,
    /// Messages in the outboxes of its shards that their receivers have not applied.
    pub outbox_backlog: u64,
    /// Messages to its shards that these have not applied.
    pub inbox_backlog: u64,
}

/// One shard: its owner, and what has gathered before and behind it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShardState {
    /// The service that the shard is a part of.
    pub service: String,
    /// Its number within the service, from 0.
    pub shard: u16,
    /// The node that has taken it over last; it may have ended since.
    pub owner: String,
    /// Raised by each take-over; whoever owned the shard before can write no more.
    pub epoch: u64,
    /// The sequence of the newest message in its outbox.
    pub outbox_sequence: u64,
    /// Messages in its outbox that their receivers have not applied.
    pub outbox_backlog: u64,
    /// Messages to it that it has not applied.
    pub inbox_backlog: u64,
}

/// Shows the cluster, as far as this node knows it.
pub trait Cluster: Send + Sync {
    /// All nodes and shards.
    fn state(&self) -> ReadFuture<'_, ClusterState>;
}

/// Whether the node can take commands.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Readiness {
    /// What keeps it from taking commands; empty when it can.
    pub missing: Vec<String>,
    /// What does not work though commands do, such as a view store that is down.
    pub degraded: Vec<String>,
}

/// Tells how the node is.
pub trait Health: Send + Sync {
    /// Whether it can take commands. It waits for no store.
    fn readiness(&self) -> futures_util::future::LocalBoxFuture<'_, Readiness>;
}
