//! What operators have done, read from the services' own databases.

use serde_json::Value;
use store::actions::{self, ActionFilter, StoredAction};
use uuid::Uuid;

use super::{Operations, page_of, read_cursor};
use crate::app::history::read_error;
use crate::app::recorded_views;
use crate::ports::{ActionQuery, Actions, Listed, OperatorAction, ReadError, ReadFuture};

fn shown(stored: StoredAction) -> OperatorAction {
    let action = stored.action;
    // Somebody may have changed it by hand.
    let detail: Value =
        serde_json::from_str(&action.detail).unwrap_or_else(|_| action.detail.into());

    // A view has a name, and what stands there for its id says nothing to anybody.
    let is_of_view = action.action.starts_with(recorded_views::ACTIONS);
    let view = detail.get("view").and_then(Value::as_str);
    let view = view.filter(|_| is_of_view).map(str::to_owned);
    let is_of_entity = !is_of_view || action.entity != action.subject;

    OperatorAction {
        id: stored.id,
        action: action.action,
        subject_id: (!is_of_view).then_some(action.subject),
        view,
        entity_id: is_of_entity.then_some(action.entity),
        by: action.done_by,
        reason: action.reason,
        time: action.time,
        detail,
    }
}

impl Operations {
    /// What was done, newest first.
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
    pub(super) async fn timeline_of(&self, about: Uuid) -> Result<Vec<OperatorAction>, ReadError> {
        let about = Some(about);
        let filter = ActionFilter {
            about,
            ..ActionFilter::default()
        };
        self.timeline(filter).await
    }

    /// The newest actions that a filter means, oldest first.
    pub(super) async fn timeline(
        &self,
        filter: ActionFilter,
    ) -> Result<Vec<OperatorAction>, ReadError> {
        let mut actions = self.actions(filter, SHOWN).await?;
        actions.reverse();
        Ok(actions)
    }
}

/// A timeline shows this many actions at most; the list has all.
const SHOWN: usize = 100;

impl Actions for Operations {
    fn list(&self, query: ActionQuery) -> ReadFuture<'_, Listed<OperatorAction>> {
        Box::pin(async move {
            let before = query.page.cursor.as_deref().map(read_cursor).transpose()?;
            let filter = ActionFilter {
                about: query.about,
                subject: query.view.map(recorded_views::subject_of),
                before,
            };
            let limit = query.page.limit;
            let found = self.actions(filter, limit + 1).await?;
            Ok(page_of(found, limit, |action| (action.time, action.id)))
        })
    }
}
