//! What a writer knows of the state of its generation, from one beginning to the next.

use store::Positions;
use uuid::Uuid;

use crate::search::elasticsearch::client::Client;
use crate::search::elasticsearch::index::Names;
use crate::search::elasticsearch::ownership;
use crate::search::elasticsearch::state::{GenerationState, Written};
use crate::{QuarantinedEntity, ViewError};

/// What is stored, and what is to be stored with it.
pub(super) struct Session {
    /// As it was read at the beginning, or written since.
    pub stored: GenerationState,
    /// Of the newest commit. Stored with the next one, or before.
    pub committed: Positions,
    /// The write that `stored` is from, so that nobody else's is overwritten.
    pub written: Option<Written>,
    /// Entities that are taken in no longer; durable with the next commit.
    pub quarantined: Vec<QuarantinedEntity>,
    /// There may be documents that were written before a crash and never shown.
    pub refreshed: bool,
}

impl Session {
    /// Begins from what is stored.
    pub(super) async fn begin(
        client: &Client,
        names: &Names,
        generation: u32,
        deployment: Uuid,
    ) -> Result<Self, ViewError> {
        let (stored, written) = ownership::check(client, names, generation, deployment).await?;

        Ok(Session {
            committed: stored.positions.clone(),
            quarantined: stored.quarantined.clone(),
            stored,
            written: Some(written),
            refreshed: false,
        })
    }
}
