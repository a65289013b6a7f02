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
    /// Done with this view.
    pub view: Option<&'static str>,
    /// Which part of the list.
    pub page: Page,
}

/// Something that an operator has done. What is done with views is kept before it is done, too, as
/// `view.rebuild-asked`, `view.revert-asked` or `view.heal-asked`: as long as it stands there,
/// nobody knows whether it has happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperatorAction {
    /// The action's own id.
    pub id: Uuid,
    /// What was done, for example `saga.retried`, `message.discarded` or `view.healed`.
    #[schema(example = "saga.abandoned")]
    pub action: String,
    /// The saga or the parked message; absent when it was done with a view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<Uuid>,
    /// The view that it was done with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// What the saga works on, what the message addresses, or what was healed; absent when it was
    /// done with a whole view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<Uuid>,
    /// Who has done it: `anonymous` where nobody has said.
    pub by: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was done, or asked for in an action that ends in `-asked`.
    #[schema(value_type = schema::Time)]
    pub time: Timestamp,
    /// How it was before, and after: states of a saga; of a message its cause, and the body that
    /// was discarded or edited; of a view its generation, or the entity's version.
    #[schema(value_type = Object)]
    pub detail: Value,
}

/// Shows what operators have done, from the services' own databases.
pub trait Actions: Send + Sync {
    /// Newest first.
    fn list(&self, query: ActionQuery) -> ReadFuture<'_, Listed<OperatorAction>>;
}
