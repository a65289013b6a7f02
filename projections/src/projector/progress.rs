//! What is shown of a view while its projector works: written by the projector, read by `GET /views`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::port::QuarantinedEntity;

/// The state of a view, as `GET /views` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ViewState {
    /// It follows the log.
    Live,
    /// It is being built for the first time and has not reached what was there when it began.
    Rebuilding,
    /// Its store or the log fails, or it has too many entities in quarantine; it is tried again.
    Failed,
}

#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub state: ViewState,
    pub error: Option<String>,
    pub quarantined: Vec<QuarantinedEntity>,
}

#[derive(Debug)]
pub(crate) struct Progress {
    shown: Mutex<Snapshot>,
}

impl Progress {
    /// A view is not ready before its projector has seen where it stands.
    pub(crate) fn new() -> Self {
        Progress { shown: Mutex::new(Snapshot { state: ViewState::Rebuilding, error: None, quarantined: Vec::new() }) }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.shown().clone()
    }

    pub(crate) fn state(&self) -> ViewState {
        self.shown().state
    }

    pub(super) fn working(&self, state: ViewState) {
        let mut shown = self.shown();
        shown.state = state;
        shown.error = None;
    }

    pub(super) fn failed(&self, error: String) {
        let mut shown = self.shown();
        shown.state = ViewState::Failed;
        shown.error = Some(error);
    }

    pub(super) fn quarantined(&self, entities: Vec<QuarantinedEntity>) {
        self.shown().quarantined = entities;
    }

    fn shown(&self) -> MutexGuard<'_, Snapshot> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
