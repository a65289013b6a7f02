//! What a gateway looks up before it asks: what only several services together know.

use sagas::{MessageId, SagaId, SagaState};
use store::StoreError;
use store::parking::Parked;

use super::{Requests, read};
use crate::entity::Entity;
use crate::error::CommandError;

impl<E: Entity> Requests<E> {
    /// A parked message of this service. One that cannot be read is not there: nobody knows what it
    /// asks.
    pub(crate) async fn parked(&self, id: MessageId) -> Result<Option<Parked>, CommandError> {
        let database = &self.0.database;
        let found = read(async {
            match store::parking::find(database, id).await {
                Err(StoreError::Corrupt { .. }) => Ok(None),
                found => found,
            }
        });
        found.await
    }

    /// The state of a saga of this service; `None` when there is no such saga, or it is in none
    /// that this release knows.
    pub(crate) async fn state_of(&self, saga: SagaId) -> Result<Option<SagaState>, CommandError> {
        let state = read(store::census::saga_state(&self.0.database, saga)).await?;
        Ok(state.as_deref().and_then(SagaState::from_name))
    }
}
