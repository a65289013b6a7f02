//! What operators have done, read from the services' own databases.

use store::actions::{self, ActionFilter, StoredAction};
use uuid::Uuid;

use super::{Operations, page_of, read_cursor};
use crate::app::history::read_error;
use crate::ports::{ActionQuery, Actions, Listed, OperatorAction, ReadError, ReadFuture};

fn shown(stored: StoredAction) -> OperatorAction {
    let action = stored.action;
    OperatorAction {
        id: stored.id,
        action: action.action,
        subject_id: action.subject,
        entity_id: action.entity,
        by: action.done_by,
        reason: action.reason,
        time: action.time,
        // Somebody has changed it by hand.
        detail: serde_json::from_str(&action.detail).unwrap_or_else(|_| action.detail.into()),
    }
}

impl Operations {
    /// What was done to a saga or a parked message, or about an entity, newest first.
    pub(super) async fn actions(
        &self,
        filter: ActionFilter,
        limit: usize,
    ) -> Result<Vec<OperatorAction>, ReadError> {
        let mut all = Vec::new();
        for database in self.databases.iter() {
            let stored = actions::list(database, filter, limit)
                .await
                .map_err(read_error)?;
            all.extend(stored.into_iter().map(shown));
        }
        all.sort_by_key(|action| std::cmp::Reverse((action.time, action.id)));
        all.truncate(limit);
        Ok(all)
    }

    /// The newest actions about one thing, oldest first, as a timeline shows them.
    pub(super) async fn timeline(&self, about: Uuid) -> Result<Vec<OperatorAction>, ReadError> {
        let filter = ActionFilter {
            about: Some(about),
            before: None,
        };
        let mut actions = self.actions(filter, SHOWN).await?;
        actions.reverse();
        Ok(actions)
    }
}

/// A timeline shows at most so many actions; the list has all.
const SHOWN: usize = 100;

impl Actions for Operations {
    fn list(&self, query: ActionQuery) -> ReadFuture<'_, Listed<OperatorAction>> {
        Box::pin(async move {
            let before = query.page.cursor.as_deref().map(read_cursor).transpose()?;
            let filter = ActionFilter {
                about: query.about,
                before,
            };
            let limit = query.page.limit;
            let found = self.actions(filter, limit + 1).await?;
            Ok(page_of(found, limit, |action| (action.time, action.id)))
        })
    }
}
