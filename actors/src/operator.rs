//! What operators do about sagas and parked messages, who they are, and what is kept of it. What
//! they do to an entity is said by that ([`Entity::done_by_operator`](crate::Entity)).

use sagas::{ShardId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use store::actions::OperatorAction;
use store::parking::Parked;
use store::row_changes::RowChange;
use uuid::Uuid;

use crate::request::RequestBinding;

/// Who acts, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operator {
    /// As whoever has let them in calls them.
    pub name: String,
    /// As they say.
    pub reason: Option<String>,
}

impl Operator {
    /// Somebody of whom nobody has said who they are.
    pub const ANONYMOUS: &'static str = "anonymous";

    /// Somebody, for no reason.
    #[must_use]
    pub fn anonymous() -> Self {
        Operator {
            name: Operator::ANONYMOUS.to_owned(),
            reason: None,
        }
    }

    /// The same, for this reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Operator {
            reason: Some(reason.into()),
            ..self
        }
    }
}

/// What is done with a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SagaAction {
    /// A stuck one tries again.
    Retry,
    /// It is stopped, so that it compensates.
    Cancel,
    /// A stuck one is given up: it ends, and what it leaves behind is settled.
    Abandon,
}

impl SagaAction {
    /// All of them.
    pub const ALL: [SagaAction; 3] = [SagaAction::Retry, SagaAction::Cancel, SagaAction::Abandon];

    /// As callers ask for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SagaAction::Retry => "retry",
            SagaAction::Cancel => "cancel",
            SagaAction::Abandon => "abandon",
        }
    }

    /// As it stands in the history.
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            SagaAction::Retry => "saga.retried",
            SagaAction::Cancel => "saga.cancelled",
            SagaAction::Abandon => store::actions::SAGA_ABANDONED,
        }
    }
}

/// What is done with a parked message.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ParkedAction {
    /// It is tried again, and those parked behind it.
    Replay,
    /// It is dropped, and those parked behind it are tried.
    Discard,
    /// It gets another body. It waits on.
    Edit(Box<RawValue>),
}

impl ParkedAction {
    /// As callers ask for it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            ParkedAction::Replay => "replay",
            ParkedAction::Discard => "discard",
            ParkedAction::Edit(_) => "edit",
        }
    }

    /// As it stands in the history.
    #[must_use]
    pub const fn done(&self) -> &'static str {
        match self {
            ParkedAction::Replay => "message.replayed",
            ParkedAction::Discard => "message.discarded",
            ParkedAction::Edit(_) => "message.edited",
        }
    }
}

/// A saga before and after an operator has acted.
pub(crate) struct OnSaga {
    pub saga: Uuid,
    pub entity: Uuid,
    pub before: &'static str,
    pub after: &'static str,
    /// After it.
    pub version: u64,
}

/// The row that is kept of an action on a saga.
pub(crate) fn of_saga(
    action: SagaAction,
    on: &OnSaga,
    by: Operator,
    binding: Option<RequestBinding>,
    (shard, now): (ShardId, Timestamp),
) -> RowChange {
    let detail = json!({ "before": on.before, "after": on.after, "version": on.version });
    OperatorAction {
        action: action.done().to_owned(),
        subject: on.saga,
        entity: on.entity,
        done_by: by.name,
        reason: by.reason,
        time: now,
        detail: detail.to_string(),
        request: binding.map(|binding| (binding.key.as_uuid(), binding.fingerprint)),
    }
    .insert(on.version, shard)
}

/// What is kept of an action on a parked message, as that was before. The body is kept of
/// what goes or changes.
pub(crate) fn of_parked(
    action: &ParkedAction,
    parked: &Parked,
    by: Operator,
    binding: Option<RequestBinding>,
    now: Timestamp,
) -> OperatorAction {
    let message = &parked.message;
    let mut detail = json!({
        "type": message.name,
        "cause": parked.cause,
        "attempts": parked.attempts,
    });
    if let (ParkedAction::Discard | ParkedAction::Edit(_), Some(detail)) =
        (action, detail.as_object_mut())
    {
        // A body that cannot be read is kept as the text that it is.
        let body = serde_json::from_str(message.body.get());
        let body = body.unwrap_or_else(|_| json!(message.body.get()));
        detail.insert("body".to_owned(), body);
    }

    OperatorAction {
        action: action.done().to_owned(),
        subject: parked.id.0,
        entity: message.entity,
        done_by: by.name,
        reason: by.reason,
        time: now,
        detail: detail.to_string(),
        request: binding.map(|binding| (binding.key.as_uuid(), binding.fingerprint)),
    }
}
