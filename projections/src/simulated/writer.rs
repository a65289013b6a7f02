//! The write side of a generation in memory.

use std::collections::BTreeMap;

use sagas::Service;
use store::{Message, Positions};
use uuid::Uuid;

use super::{Shelf, Trace, ViewCall, ViewFate, ViewTrouble, unavailable};
use crate::port::{Applied, QuarantinedEntity, ViewWriter};
use crate::projection::ViewEntity;
use crate::{ViewError, positions};

/// What was taken in goes to the shelf with the next commit; guarded, for there may be another
/// writer that does not know yet that it is to write no more, or does not know of this one.
pub(super) struct TraceWriter {
    view: &'static str,
    shelf: Shelf,
    changed: BTreeMap<Uuid, Trace>,
    /// In the place of whatever is there.
    put: BTreeMap<Uuid, Trace>,
    /// Who goes into quarantine, and who comes out.
    quarantined: BTreeMap<Uuid, Option<QuarantinedEntity>>,
}

impl TraceWriter {
    pub(super) fn new(view: &'static str, shelf: Shelf) -> Self {
        TraceWriter {
            view,
            shelf,
            changed: BTreeMap::new(),
            put: BTreeMap::new(),
            quarantined: BTreeMap::new(),
        }
    }

    fn newest(&self, entity: Uuid) -> Option<Trace> {
        let changed = self.changed.get(&entity).or(self.put.get(&entity)).cloned();
        changed.or_else(|| self.shelf.lock().traces.get(&entity).cloned())
    }

    fn refused(&self, what: String) -> ViewError {
        let view = self.view;
        ViewError::Refused { view, what }
    }

    /// Asks what befalls a call; an error when that keeps it from being done.
    fn meets(&self, call: ViewCall) -> Result<ViewFate, ViewError> {
        let trouble: &dyn ViewTrouble = &*self.shelf.trouble;
        match trouble.call(call) {
            ViewFate::Unavailable => Err(unavailable(self.view)),
            ViewFate::Refused => Err(self.refused("it is not liked".to_owned())),
            ViewFate::Panics => std::panic::panic_any("the code of the view panics"),
            fate => Ok(fate),
        }
    }
}

impl ViewWriter<Trace> for TraceWriter {
    fn positions(&mut self) -> Result<Positions, ViewError> {
        self.meets(ViewCall::Committing)?;
        self.changed.clear();
        self.put.clear();
        self.quarantined.clear();
        Ok(self.shelf.lock().positions.clone())
    }

    fn apply(&mut self, event: &Message) -> Result<Applied, ViewError> {
        self.meets(ViewCall::Applying)?;
        let before = self.newest(event.entity);
        let reached = before.as_ref().map_or(0, ViewEntity::version);
        if event.version <= reached {
            return Ok(Applied::Duplicate);
        }
        if event.version > reached + 1 {
            let from_version = reached + 1;
            return Ok(Applied::Missing { from_version });
        }

        let trace = Trace::after(before.as_ref(), event).map_err(|what| self.refused(what))?;
        self.changed.insert(event.entity, trace);
        Ok(Applied::Taken)
    }

    fn put(&mut self, trace: &Trace) -> Result<(), ViewError> {
        self.changed.remove(&trace.entity);
        self.put.insert(trace.entity, trace.clone());
        Ok(())
    }

    fn commit(&mut self, positions: &Positions) -> Result<(), ViewError> {
        let fate = self.meets(ViewCall::Committing)?;
        if self.shelf.trouble.takes_nothing_in(self.shelf.generation) {
            return Err(unavailable(self.view));
        }
        let mut shelf = self.shelf.lock();
        shelf.traces.append(&mut self.put);
        for (entity, trace) in std::mem::take(&mut self.changed) {
            let is_newer = |stored: &Trace| stored.version < trace.version;
            if shelf.traces.get(&entity).is_none_or(is_newer) {
                shelf.traces.insert(entity, trace);
            }
        }
        positions::raise(&mut shelf.positions, positions);
        for (entity, change) in std::mem::take(&mut self.quarantined) {
            match change {
                Some(quarantined) => drop(shelf.quarantined.insert(entity, quarantined)),
                None => drop(shelf.quarantined.remove(&entity)),
            }
        }
        drop(shelf);
        match fate {
            ViewFate::DoneAndUnavailable => Err(unavailable(self.view)),
            _ => Ok(()),
        }
    }

    fn quarantined(&mut self, limit: usize) -> Result<Vec<QuarantinedEntity>, ViewError> {
        let shelf = self.shelf.lock();
        Ok(shelf.quarantined.values().take(limit).cloned().collect())
    }

    fn quarantine(&mut self, in_quarantine: &QuarantinedEntity) -> Result<(), ViewError> {
        self.quarantined
            .insert(in_quarantine.entity, Some(in_quarantine.clone()));
        Ok(())
    }

    fn release(&mut self, _: Service, entity: Uuid) -> Result<(), ViewError> {
        self.quarantined.insert(entity, None);
        Ok(())
    }
}
