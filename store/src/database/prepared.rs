//! Whether a database is as this release makes it, for whoever only reads it; and why one never
//! will be.

use sagas::Service;

use super::{fixed_shards, releases};
use crate::migrations::{self, Standing};
use crate::{ServiceDatabase, StoreError};

impl ServiceDatabase {
    /// Whether whoever only reads it can begin: it is as this release makes it, for so many shards.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] when no node of this release that writes has opened it yet,
    /// [`StoreError::Configuration`] when it never will be so.
    pub(crate) async fn is_prepared_for(&self, shards: u16) -> Result<(), StoreError> {
        let standing = migrations::standing(&self.schema, &self.read).await;
        match standing.map_err(|error| self.unusable(&error))? {
            Standing::UpToDate => {}
            Standing::Missing(name) => {
                return Err(self.not_prepared(&format!("the change {name} is missing")));
            }
            Standing::Unknown(name) => {
                return Err(releases::of_newer_release(&self.place(), &name));
            }
        }

        let failed = |error| self.unusable(&error);
        releases::refuse_unreadable(&self.schema, &self.place(), &self.read, failed).await?;
        match fixed_shards(self.service, &self.read, failed).await? {
            Some(fixed) if fixed == shards => Ok(()),
            Some(fixed) => Err(made_for(self.service, fixed, shards)),
            None => Err(self.not_prepared("its number of shards is not fixed")),
        }
    }

    /// Nobody has made it ready to be read.
    pub(crate) fn not_prepared(&self, why: &str) -> StoreError {
        StoreError::Unreachable {
            what: self.service.to_string(),
            place: self.place(),
            cause: format!("no node that owns shards has prepared it: {why}"),
        }
    }
}

pub(super) fn made_for(service: Service, fixed: u16, shards: u16) -> StoreError {
    StoreError::Configuration(format!(
        "COUNTERFOIL_SHARDS is {shards}, but the {service} database was made for {fixed}; \
         allowed: {fixed}"
    ))
}
