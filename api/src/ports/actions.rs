//! What operators have done: the port, and the shape of the public contract.

use domain::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Listed, Page, ReadFuture, schema};

/// Which actions to list, newest first.
#[derive(Clone, Debug)]
pub struct ActionQuery {
    /// Of this saga or parked message, or concerning this entity.
    pub about: Option<Uuid>,
    /// Which part of the list.
    pub page: Page,
}

/// Something that an operator has done to a saga or a parked message.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperatorAction {
    pub id: Uuid,
    /// What was done, for example `saga.retried` or `message.discarded`.
    #[schema(example = "saga.abandoned")]
    pub action: String,
    /// The saga or the parked message.
    pub subject_id: Uuid,
    /// What the saga works on, or what the message addresses.
    pub entity_id: Uuid,
    /// Who has done it: `anonymous` where nobody has said.
    pub by: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[schema(value_type = schema::Time)]
    pub time: Timestamp,
    /// How it was before, and after: states of a saga; of a message its cause, and the body that
    /// was discarded or edited.
    #[schema(value_type = Object)]
    pub detail: Value,
}

/// Shows what operators have done, from the services' own databases.
pub trait Actions: Send + Sync {
    /// Newest first.
    fn list(&self, query: ActionQuery) -> ReadFuture<'_, Listed<OperatorAction>>;
}
