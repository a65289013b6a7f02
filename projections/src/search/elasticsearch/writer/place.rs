//! The steps of a commit: what is sent to the generation that is written to.

use domain::OrderId;
use elasticsearch::http::Method;
use serde::Deserialize;

use super::memory::{Known, Memory, Pending};
use super::{Session, stamp_of};
use crate::search::elasticsearch::bulk;
use crate::search::elasticsearch::client::{Client, Failure, WRITE_TIMEOUT};
use crate::search::elasticsearch::index::Names;
use crate::search::elasticsearch::mget::{self, As};
use crate::search::elasticsearch::state::{self, GenerationState, furthest};
use crate::{QuarantinedEntity, ViewError};

/// The generation that is written to.
pub(super) struct Place<'a> {
    pub(super) client: &'a Client,
    pub(super) names: &'a Names,
    pub(super) generation: u32,
}

impl Place<'_> {
    pub(super) async fn store(
        &self,
        session: &mut Session,
        state: GenerationState,
    ) -> Result<(), ViewError> {
        let written = state::store(
            self.client,
            self.names,
            self.generation,
            &state,
            session.written,
        )
        .await?;
        session.written = Some(written);
        session.stored = state;

        Ok(())
    }

    /// The last step of a commit.
    pub(super) async fn finish(
        &self,
        session: &mut Session,
        quarantined: Vec<QuarantinedEntity>,
    ) -> Result<(), ViewError> {
        let reach = furthest(&session.stored.reach, &session.committed);

        let state = GenerationState {
            reach,
            positions: session.committed.clone(),
            quarantined,
            ..session.stored.clone()
        };

        if state == session.stored {
            Ok(())
        } else {
            self.store(session, state).await
        }
    }

    /// Finds out how often the orders were put before that are put over something nobody has looked
    /// at.
    pub(super) async fn count_puts(&self, memory: &mut Memory) -> Result<(), ViewError> {
        let orders = memory.uncounted();
        let stamps = mget::stamps(
            self.client,
            &self.names.orders(self.generation),
            &orders,
            As::Written,
        )
        .await?;
        for (order, stored) in orders.into_iter().zip(stamps) {
            memory.count(order, stored.map(|stamp| stamp.puts));
        }
        Ok(())
    }

    /// Writes all documents. One that is kept out by what is there is looked at, and written again
    /// if it is the newer one: what was taken for new may be there after a crash, and what is known
    /// may have been put there as a whole since, by a command that came late or from another node.
    pub(super) async fn write_documents(&self, memory: &mut Memory) -> Result<(), ViewError> {
        let there = self.write(memory.pending().values()).await?;
        let stored =
            mget::documents(self.client, &self.names.orders(self.generation), &there).await?;
        let mut again = Vec::new();

        for (order, found) in there.into_iter().zip(stored) {
            let (document, stamp) = found.ok_or_else(|| {
                Failure::Incomplete(format!(
                    "order {order} was there when it was written, and is not there now"
                ))
            })?;
            if memory.stored_is_older(
                order,
                Known {
                    document,
                    puts: stamp.puts,
                },
            ) {
                again.push(order);
            }
        }

        let pending = memory.pending();
        self.write(again.iter().filter_map(|order| pending.get(order)))
            .await?;

        Ok(())
    }

    /// Gives the orders of which the same or a newer state is there.
    async fn write<'a>(
        &self,
        pending: impl Iterator<Item = &'a Pending>,
    ) -> Result<Vec<OrderId>, ViewError> {
        let mut documents = Vec::new();
        for Pending { document, puts } in pending {
            let Some(puts) = puts.stored() else { continue };
            documents.push((document, stamp_of(document, puts)?));
        }
        let alias = self.names.orders_to_write(self.generation);
        bulk::write(self.client, &alias, documents.into_iter()).await
    }

    pub(super) async fn refresh(&self) -> Result<(), ViewError> {
        let path = format!("/{}/_refresh", self.names.orders(self.generation));
        let refreshed: Refreshed = self
            .client
            .send(Method::Post, &path, &[], None::<()>, WRITE_TIMEOUT)
            .await?;
        if refreshed.shards.failed > 0 {
            return Err(Failure::Incomplete(
                "not every copy of the index was refreshed".to_owned(),
            )
            .into());
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Refreshed {
    #[serde(rename = "_shards")]
    shards: Shards,
}

#[derive(Deserialize)]
struct Shards {
    failed: u32,
}
