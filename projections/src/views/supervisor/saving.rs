//! Saving the catalog: under the lease, and never over what another node has saved meanwhile.

use sagas::mistakes::{Mistake, makes};

use super::Supervisor;
use crate::ViewError;
use crate::generations::Catalog;
use crate::projection::Projection;

impl<P: Projection> Supervisor<P> {
    /// Saves the catalog; from then on it is followed.
    pub(super) async fn save(&mut self, catalog: Catalog) -> Result<(), ViewError> {
        // When this fails the catalog may be saved all the same: the next round reads it.
        let before = self.catalog.take().unwrap_or_default();
        self.shared.change(|stand| stand.to_answer = None);
        // Whoever looks after the view now may have saved another one. Should that come about while
        // this one is on its way, its revision keeps it out.
        if !self.lease.is_held() && !makes(Mistake::CatalogNotCompared) {
            return Err(ViewError::fed_elsewhere(self.shared.definition.name));
        }
        let catalog = Catalog {
            revision: self.revision_after(&catalog).await?,
            ..catalog
        };
        self.shared.store.save(&catalog).await?;
        self.is_fenced = true;
        self.take_over(catalog.clone());
        self.let_go_of_what_is_gone(&before, &catalog);
        Ok(())
    }

    /// The revision of the catalog that follows on this one.
    async fn revision_after(&self, catalog: &Catalog) -> Result<u64, ViewError> {
        let before = match makes(Mistake::CatalogNotCompared) {
            true => self.shared.store.catalog().await?.revision,
            false => catalog.revision,
        };
        Ok(before.saturating_add(1))
    }

    pub(super) fn take_over(&mut self, catalog: Catalog) {
        self.shared.gauges.generation(catalog.live);
        self.shared.change(|stand| {
            stand.to_answer = catalog.live;
            stand.tenure = Some(self.lease.clone());
            stand.catalog = Some(catalog.clone());
        });
        self.catalog = Some(catalog);
    }
}
