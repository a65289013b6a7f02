//! Work on a generation that goes through all entities: how far it is, for all to see.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

use super::shared::Shared;
use super::status::{BuildStage, Work};
use crate::ViewError;
use crate::projection::Projection;

/// How far it is.
#[derive(Debug)]
pub(super) struct EntityWork {
    /// The number of the generation.
    pub number: u32,
    /// What is done for it.
    pub stage: BuildStage,
    begun: Instant,
    done: AtomicU64,
    total: u64,
}

impl EntityWork {
    /// Begins to go through the entities of a view for one generation, and shows it until the work
    /// has ended.
    ///
    /// # Errors
    /// When the entities cannot be counted.
    pub(super) async fn begin<P: Projection>(
        shared: &Shared<P>,
        number: u32,
        stage: BuildStage,
    ) -> Result<Arc<Self>, ViewError> {
        let mut total = 0;
        for service in shared.definition.uses {
            total += shared.rows.count(*service).await?;
        }

        let work = Arc::new(EntityWork {
            number,
            stage,
            begun: Instant::now(),
            done: AtomicU64::new(0),
            total,
        });
        shared.change(|stand| stand.entity_work = Some(Arc::clone(&work)));

        Ok(work)
    }

    pub(super) fn add(&self, entities: u64) {
        self.done.fetch_add(entities, Ordering::Relaxed);
    }

    pub(super) fn work(&self) -> Work {
        let done = self.done.load(Ordering::Relaxed);
        // More may have come since they were counted.
        Work {
            begun_at: 0,
            done,
            total: self.total.max(done),
            taken: done,
            elapsed: self.begun.elapsed(),
        }
    }
}
