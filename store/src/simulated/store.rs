//! A commit store whose calls meet with trouble.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sagas::ShardId;

use super::disk::MemoryStore;
use super::{CallEnd, CallFate, Trouble};
use crate::StoreError;
use crate::journal::Patience;
use crate::journal::commit_store::{
    Batch, Claim, CommitStore, Failure, Prune, Pruned, StoreAnswer,
};

/// How often a call that stands looks whether its patience is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A commit store in memory, and what befalls it.
pub struct SimulatedStore {
    store: MemoryStore,
    name: &'static str,
    trouble: Arc<dyn Trouble>,
}

impl SimulatedStore {
    /// This one, with its trouble.
    #[must_use]
    pub fn new(store: MemoryStore, service: sagas::Service, trouble: Arc<dyn Trouble>) -> Self {
        SimulatedStore {
            store,
            name: service.name(),
            trouble,
        }
    }

    /// Stands as long as the fate says and patience allows; how the call is to end.
    async fn stand(&self, patience: &Patience) -> Result<CallEnd, StoreError> {
        let CallFate { stands, end } = self.trouble.call(self.name);
        let mut stood = Duration::ZERO;

        while stood < stands {
            if patience.is_over() {
                return Err(StoreError::Injected("another holds the lock"));
            }
            let rest = LOOK_EVERY.min(stands - stood);
            tokio::time::sleep(rest).await;
            stood += rest;
        }
        Ok(end)
    }

    #[expect(clippy::panic, reason = "that is the fault")]
    fn panics(&self, when: CallEnd, end: CallEnd) {
        if when == end {
            panic!("a simulated panic of the commit store");
        }
    }
}

impl CommitStore for SimulatedStore {
    fn place(&self) -> String {
        format!("memory of {}", self.name)
    }

    fn claim<'a>(
        &'a mut self,
        shard: ShardId,
        owner: &'a str,
        held: Option<u64>,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, Claim> {
        async move {
            let end = self.stand(patience).await?;
            self.panics(CallEnd::PanicsBefore, end);
            if matches!(end, CallEnd::Fails | CallEnd::UnknownAndLost) {
                return Err(StoreError::Injected("a claim fails"));
            }

            let claim = self.store.claim(shard, owner, held, patience).await?;
            self.panics(CallEnd::PanicsAfter, end);
            match end {
                CallEnd::Unknown => Err(StoreError::Injected("a claim has no answer")),
                _ => Ok(claim),
            }
        }
        .boxed_local()
    }

    fn write<'a>(
        &'a mut self,
        batch: &'a Batch<'a>,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, (), Failure> {
        async move {
            self.store.nothing_begun();
            let end = self.stand(patience).await?;
            self.panics(CallEnd::PanicsBefore, end);
            match end {
                CallEnd::Fails => {
                    return Err(Failure::Store(StoreError::Injected("a commit fails")));
                }
                CallEnd::UnknownAndLost => {
                    return Err(Failure::Unknown(StoreError::Injected("no answer")));
                }
                _ => {}
            }

            self.store.write(batch, patience).await?;
            self.panics(CallEnd::PanicsAfter, end);
            match end {
                CallEnd::Unknown => Err(Failure::Unknown(StoreError::Injected("no answer"))),
                _ => Ok(()),
            }
        }
        .boxed_local()
    }

    fn happened<'a>(&'a mut self, patience: &'a Patience) -> StoreAnswer<'a, bool> {
        async move {
            match self.stand(patience).await? {
                CallEnd::Well => self.store.happened(patience).await,
                _ => Err(StoreError::Injected("still no answer")),
            }
        }
        .boxed_local()
    }

    fn prune<'a>(
        &'a mut self,
        prune: &'a Prune,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, Pruned> {
        async move {
            match self.stand(patience).await? {
                CallEnd::Well => {
                    self.store.note_sent(prune.shard, prune.before)?;
                    self.store.prune(prune, patience).await
                }
                _ => Err(StoreError::Injected("nothing is removed")),
            }
        }
        .boxed_local()
    }

    fn recover(&mut self) -> StoreAnswer<'_, ()> {
        self.store.recover()
    }
}
