//! What operators do to things that no shard owns, views for example. No unit does it, so it is
//! kept twice: before it is done, by a name that says no more than that it was asked for, and when
//! it is.
//!
//! A process that dies in between leaves the first: then nobody knows whether it has happened, and
//! the row says so. What is known not to have happened is taken back.

use sagas::{Fingerprint, ShardId, Timestamp};
use serde::{Deserialize, Serialize};
use store::actions::{OperatorAction, StoredAction};
use store::row_changes::RowChange;
use uuid::Uuid;

use crate::operator::Operator;
use crate::request::RequestBinding;

/// What is kept of an action.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// Of its row: another one each time that it is asked for.
    pub id: Uuid,
    /// As it stands in the history. Before it is done it ends with [`store::actions::ASKED`].
    pub action: String,
    /// What it is done to.
    pub subject: Uuid,
    /// The entity that it is about; the subject when it is about none.
    pub entity: Uuid,
    /// Who acts, and why.
    pub by: Operator,
    /// JSON: what is to be known of how it was before and after.
    pub detail: String,
}

/// What is known of an action.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Noting {
    /// It is about to be done.
    Before(Note),
    /// It was done.
    After(Note),
    /// What has this note was not done, and will not be.
    Never(Uuid),
}

/// What a request has come to, as it is kept by its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotedOutcome {
    /// Of what was asked for.
    pub fingerprint: Fingerprint,
    /// What was done, by its name.
    pub action: String,
    /// JSON, as in its note.
    pub detail: String,
}

impl Note {
    /// Its row.
    pub(crate) fn row(
        self,
        binding: RequestBinding,
        (shard, now): (ShardId, Timestamp),
    ) -> RowChange {
        let Note {
            id,
            action,
            subject,
            entity,
            by,
            detail,
        } = self;
        let action = OperatorAction {
            action,
            subject,
            entity,
            done_by: by.name,
            reason: by.reason,
            time: now,
            detail,
            request: Some((binding.key.as_uuid(), binding.fingerprint)),
        };
        action.note(id, shard)
    }

    /// What its request has come to with it.
    pub(crate) fn outcome(&self, binding: RequestBinding) -> NotedOutcome {
        NotedOutcome {
            fingerprint: binding.fingerprint,
            action: self.action.clone(),
            detail: self.detail.clone(),
        }
    }
}

impl NotedOutcome {
    /// What a stored row says that its request has come to.
    pub(crate) fn of(stored: &StoredAction) -> Option<Self> {
        let StoredAction { action, .. } = stored;
        let (_, fingerprint) = action.request?;
        (!action.is_asked()).then(|| NotedOutcome {
            fingerprint,
            action: action.action.clone(),
            detail: action.detail.clone(),
        })
    }
}
