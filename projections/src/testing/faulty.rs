//! A view's writer with faults in its way.

use sagas::Service;
use store::{Message, Positions};
use uuid::Uuid;

use crate::ViewError;
use crate::port::{Applied, QuarantinedEntity, ViewWriter};

/// What happens before a writer is asked. An error keeps it from being asked.
pub trait Fault: Send {
    fn positions(&mut self) {}

    /// What is answered in place of the writer, if anything.
    fn apply(&mut self, event: &Message) -> Result<Option<Applied>, ViewError>;

    fn commit(&mut self, positions: &Positions) -> Result<(), ViewError>;

    fn finish(&mut self) {}
}

pub struct FaultyWriter<F, E> {
    pub inner: Box<dyn ViewWriter<E>>,
    pub fault: F,
}

impl<F: Fault, E> ViewWriter<E> for FaultyWriter<F, E> {
    fn positions(&mut self) -> Result<Positions, ViewError> {
        self.fault.positions();
        self.inner.positions()
    }

    fn prepare(&mut self, entities: &[(Service, Uuid, u64)]) -> Result<(), ViewError> {
        self.inner.prepare(entities)
    }

    fn apply(&mut self, event: &Message) -> Result<Applied, ViewError> {
        match self.fault.apply(event)? {
            Some(answer) => Ok(answer),
            None => self.inner.apply(event),
        }
    }

    fn put(&mut self, entity: &E) -> Result<(), ViewError> {
        self.inner.put(entity)
    }

    fn commit(&mut self, positions: &Positions) -> Result<(), ViewError> {
        self.fault.commit(positions)?;
        self.inner.commit(positions)
    }

    fn finish(&mut self) -> Result<(), ViewError> {
        self.fault.finish();
        self.inner.finish()
    }

    fn quarantined(&mut self, limit: usize) -> Result<Vec<QuarantinedEntity>, ViewError> {
        self.inner.quarantined(limit)
    }

    fn quarantine(&mut self, entity: &QuarantinedEntity) -> Result<(), ViewError> {
        self.inner.quarantine(entity)
    }

    fn release(&mut self, service: Service, entity: Uuid) -> Result<(), ViewError> {
        self.inner.release(service, entity)
    }
}
