//! What is kept of operators' requests beside what their units do: about many things at once, and
//! about things that no shard owns.

use sagas::RequestKey;
use store::bulk::BulkRequest;

use super::{Follow, Requests, read};
use crate::entity::Entity;
use crate::error::CommandError;
use crate::noting::{NotedOutcome, Noting};
use crate::request::{Command, RequestBinding, ShardAnswer};

impl<E: Entity> Requests<E> {
    /// Keeps what a request about many things has found (JSON), and then what has become of it.
    /// What was kept first counts: read it with [`Requests::bulk`].
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn keep_bulk(
        &self,
        binding: RequestBinding,
        found: String,
        outcome: Option<String>,
    ) -> Result<(), CommandError> {
        let shard = self.shard_of(binding.key.as_uuid());
        let command = Command::Bulk { found, outcome };
        let mut sent = self.send(shard, command, Some(binding), Follow::Nothing)?;
        self.answered(&mut sent).await.map(drop)
    }

    /// Keeps what an operator does to something that no shard owns. Gives what the request has come
    /// to, if that is known.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn note(
        &self,
        binding: RequestBinding,
        noting: Noting,
    ) -> Result<Option<NotedOutcome>, CommandError> {
        let shard = self.shard_of(binding.key.as_uuid());
        let mut sent = self.send(
            shard,
            Command::Note(Box::new(noting)),
            Some(binding),
            Follow::Nothing,
        )?;
        match self.answered(&mut sent).await? {
            ShardAnswer::Noted(outcome) => Ok(outcome),
            _ => Err(CommandError::Failed),
        }
    }

    /// The request about many things with this key.
    ///
    /// # Errors
    /// [`CommandError::Unavailable`] when the store does not answer.
    pub async fn bulk(&self, key: RequestKey) -> Result<Option<BulkRequest>, CommandError> {
        read(store::bulk::find(&self.0.database, key)).await
    }
}
