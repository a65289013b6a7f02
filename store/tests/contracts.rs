//! The contracts of commit store and log, kept by some that are none of this crate's: a store that
//! another team might put around ours, and the one in memory that simulations run on.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use futures_util::FutureExt;
use sagas::ShardId;
use store::faults::Faults;
use store::journal::commit_store::contract::Open;
use store::journal::commit_store::{
    Batch, Claim, CommitStore, Failure, Prune, Pruned, StoreAnswer,
};
use store::journal::{Patience, testing};
use store::simulated::{NoTrouble, SimulatedLog, SimulatedStore, Template};
use store::testing::{BOOKINGS, BOOKINGS_SCHEMA, Ground};
use store::{ServiceDatabase, commit_store_contract, log_contract};
use tokio::runtime::Runtime;

commit_store_contract!(around_ours, super::around_ours);
commit_store_contract!(in_memory, super::in_memory);
log_contract!(simulated, super::Ground::folder(), super::simulated_log);

fn around_ours(runtime: &Runtime) -> (ServiceDatabase, Open) {
    let ground = Ground::folder();
    let opened = ground.open(BOOKINGS_SCHEMA, testing::SHARDS);
    let database = runtime.block_on(opened).unwrap();

    let writing = database.clone();
    let open: Open = Box::new(move |faults| {
        // The ground lives as long as the store does.
        let _ = &ground;
        Box::new(Counted::around(writing.commit_store(faults).unwrap()))
    });
    (database, open)
}

fn in_memory(runtime: &Runtime) -> (ServiceDatabase, Open) {
    let template = Template::make(&[BOOKINGS_SCHEMA], testing::SHARDS);
    let disk = runtime
        .block_on(template)
        .unwrap()
        .copy()
        .unwrap()
        .remove(0);
    let database = disk.opened(Arc::new(NoTrouble)).unwrap();
    let open: Open = Box::new(move |faults| {
        let store = disk.commit_store(faults).unwrap();
        Box::new(SimulatedStore::new(store, BOOKINGS, Arc::new(NoTrouble)))
    });
    (database, open)
}

fn simulated_log(database: &ServiceDatabase, faults: Faults) -> testing::Logs {
    let (log, publisher) = testing::embedded(database, faults);
    (
        Arc::new(SimulatedLog::new(log, Arc::new(NoTrouble))),
        publisher,
    )
}

/// A commit store that counts what is written.
struct Counted {
    store: Box<dyn CommitStore>,
    units: usize,
}

impl Counted {
    fn around(store: Box<dyn CommitStore>) -> Self {
        Counted { store, units: 0 }
    }
}

impl CommitStore for Counted {
    fn place(&self) -> String {
        format!("{}, {} units", self.store.place(), self.units)
    }

    fn claim<'a>(
        &'a mut self,
        shard: ShardId,
        owner: &'a str,
        held: Option<u64>,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, Claim> {
        self.store.claim(shard, owner, held, patience)
    }

    fn write<'a>(
        &'a mut self,
        batch: &'a Batch<'a>,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, (), Failure> {
        async move {
            self.store.write(batch, patience).await?;
            self.units += batch.units.len();
            Ok(())
        }
        .boxed_local()
    }

    fn happened<'a>(&'a mut self, patience: &'a Patience) -> StoreAnswer<'a, bool> {
        self.store.happened(patience)
    }

    fn prune<'a>(
        &'a mut self,
        prune: &'a Prune,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, Pruned> {
        self.store.prune(prune, patience)
    }

    fn recover(&mut self) -> StoreAnswer<'_, ()> {
        self.store.recover()
    }
}
