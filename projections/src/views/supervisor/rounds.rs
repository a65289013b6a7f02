//! What the supervisor looks at every few seconds: the gauges, and whether all that is open is
//! still there and still ours.

use std::time::Duration;
use tokio::time::Instant;

use super::Supervisor;
use crate::ViewError;
use crate::generations::Catalog;
use crate::projection::Projection;

/// A store that takes longer is not looked after for now; its projector tells of that.
const WITHIN: Duration = Duration::from_secs(3);

impl<P: Projection> Supervisor<P> {
    pub(super) async fn go_the_rounds(&mut self) {
        if self.next_round > Instant::now() {
            return;
        }
        self.next_round = Instant::now() + self.shared.look_every;

        self.measure().await;
        self.examine_from_time_to_time();
        if tokio::time::timeout(WITHIN, self.look_after_the_store())
            .await
            .is_err()
        {
            let view = self.shared.definition.name;
            tracing::debug!(view, "the store is not looked after in time");
        }
    }

    async fn look_after_the_store(&mut self) {
        if self.catalog.is_none() {
            return;
        }
        if let Err(error) = self.look_after_the_catalog().await {
            let view = self.shared.definition.name;
            tracing::debug!(view, error = %error, "the catalog is not looked after");
        }

        let open: Vec<_> = self
            .shared
            .look(|stand| stand.open.values().cloned().collect());
        for generation in open {
            let number = generation.number();
            let checked = self.check(number, &generation.committed()).await;
            match checked {
                Ok(()) => {}
                Err(ViewError::Damaged { what, .. }) => self.found_damaged(number, what),
                // It is read again, and tells whose the store is.
                Err(ViewError::Foreign { .. }) => self.catalog = None,
                Err(error) => {
                    let view = self.shared.definition.name;
                    tracing::debug!(view, error = %error, generation = number, "it is not looked after");
                }
            }
        }
    }

    async fn check(&self, number: u32, committed: &store::Positions) -> Result<(), ViewError> {
        let (store, deployment) = (&self.shared.store, self.shared.deployment);
        store.check(number, deployment).await?;
        self.is_of_this_log(committed).await
    }

    /// A catalog that somebody has deleted or damaged is saved again, as it is known here. One of
    /// another deployment, in a store that others may use, is read again, and heeded.
    async fn look_after_the_catalog(&mut self) -> Result<(), ViewError> {
        let ours = self.loaded()?;
        let is_lost = match self.shared.store.catalog().await {
            Ok(found)
                if found
                    .deployment
                    .is_some_and(|owner| Some(owner) != ours.deployment) =>
            {
                if self.shared.store.is_shared() {
                    self.catalog = None;
                    return Ok(());
                }
                true
            }
            Ok(found) if found.revision > ours.revision => {
                // Another node has looked after the view meanwhile.
                self.catalog = None;
                return Ok(());
            }
            Ok(found) => found == Catalog::default(),
            Err(ViewError::Damaged { .. }) => true,
            Err(error) => return Err(error),
        };

        if is_lost {
            let view = self.shared.definition.name;
            tracing::error!(view, "the catalog of the view is lost and is saved again");
            self.save(ours).await?;
        }
        Ok(())
    }

    /// Sets the gauges.
    pub(super) async fn measure(&self) {
        let gauges = self.shared.gauges;
        gauges.rebuilt(
            self.shared
                .progress()
                .map_or(1.0, |progress| progress.fraction),
        );

        let Some(live) = self.shared.look(|stand| stand.live.clone()) else {
            return;
        };
        gauges.waiting(live.waiting_readers());
        gauges.quarantined(live.shown().quarantined.len());

        match live.lag(self.shared.log()).await {
            Ok(lag) => {
                for source in self.shared.log().sources() {
                    let behind = lag.sources.iter().find(|behind| behind.source == source);
                    let (events, age) =
                        behind.map_or((0, Duration::ZERO), |behind| (behind.events, behind.age));
                    gauges.lag(source, events, age);
                }
            }
            Err(error) => {
                tracing::debug!(error = %error, view = self.shared.definition.name, "the lag cannot be measured");
            }
        }
    }
}
