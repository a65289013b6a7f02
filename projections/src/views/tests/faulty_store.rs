//! The real embedded store of the search view, with faults in its way.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use store::{Message, Positions};
use uuid::Uuid;

use crate::ViewError;
use crate::generations::{Audit, Catalog, Found, Opened, ViewStore};
use crate::port::Applied;
use crate::search::{EmbeddedSearchStore, Search};
use crate::testing::{Fault, FaultyWriter};

/// Longer than a commit that is not slow.
const MOMENT: Duration = Duration::from_millis(30);

/// What goes wrong.
#[derive(Debug, Default)]
pub struct Faults {
    /// The store does not answer when it is asked for catalogs and generations.
    pub down: AtomicBool,
    /// How many catalogs are saved before the store no longer answers, as if the process had ended
    /// there; negative for no end.
    pub saves_left: AtomicI64,
    /// This generation does not commit.
    pub holds: Mutex<Option<u32>>,
    /// The next commit of this generation finds it damaged.
    pub damaged: Mutex<Option<u32>>,
    /// Each commit of this generation takes a moment.
    pub slow: Mutex<Option<u32>>,
    /// No generation is opened to be compared while this is locked.
    pub audits: tokio::sync::Mutex<()>,
    /// The catalog cannot be read, until it is saved.
    pub unreadable: AtomicBool,
    /// Others may use the store, too.
    pub is_shared: AtomicBool,
    /// This generation takes the order for known.
    pub loses: Mutex<Option<(u32, Uuid)>>,
    /// This generation cannot be opened for now.
    pub unopened: Mutex<Option<u32>>,
}

#[derive(Debug)]
pub struct FaultyStore {
    pub inner: EmbeddedSearchStore,
    pub faults: Arc<Faults>,
}

fn unavailable() -> ViewError {
    ViewError::Unavailable {
        view: "search",
        source: "down".into(),
    }
}

impl FaultyStore {
    fn answers(&self) -> Result<(), ViewError> {
        if self.faults.down.load(Ordering::SeqCst) {
            Err(unavailable())
        } else {
            Ok(())
        }
    }
}

impl ViewStore<Search> for FaultyStore {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>> {
        async {
            self.answers()?;
            if self.faults.unreadable.load(Ordering::SeqCst) {
                return Err(unavailable());
            }
            self.inner.catalog().await
        }
        .boxed()
    }

    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        async move {
            self.answers()?;
            if self.faults.saves_left.fetch_sub(1, Ordering::SeqCst) == 0 {
                self.faults.down.store(true, Ordering::SeqCst);
                return Err(unavailable());
            }
            self.faults.unreadable.store(false, Ordering::SeqCst);
            self.inner.save(catalog).await
        }
        .boxed()
    }

    fn is_shared(&self) -> bool {
        self.faults.is_shared.load(Ordering::SeqCst)
    }

    fn generations(&self) -> BoxFuture<'_, Result<Vec<Found>, ViewError>> {
        async {
            self.answers()?;
            self.inner.generations().await
        }
        .boxed()
    }

    fn check(&self, generation: u32, deployment: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        async move {
            self.answers()?;
            self.inner.check(generation, deployment).await
        }
        .boxed()
    }

    fn examine(&self, generation: u32) -> BoxFuture<'_, Result<(), ViewError>> {
        self.inner.examine(generation)
    }

    fn has_checksums(&self) -> bool {
        self.inner.has_checksums()
    }

    fn open(
        &self,
        generation: u32,
        deployment: Uuid,
    ) -> BoxFuture<'_, Result<Opened<Search>, ViewError>> {
        async move {
            self.answers()?;
            if *self.faults.unopened.lock().unwrap() == Some(generation) {
                return Err(unavailable());
            }

            let Opened {
                writer: inner,
                reader,
                versions,
            } = self.inner.open(generation, deployment).await?;

            let fault = OfGeneration {
                generation,
                faults: Arc::clone(&self.faults),
            };

            let writer = Box::new(FaultyWriter { inner, fault });
            Ok(Opened {
                writer,
                reader,
                versions,
            })
        }
        .boxed()
    }

    fn audit(&self, generation: u32) -> BoxFuture<'_, Result<Option<Audit<Search>>, ViewError>> {
        async move {
            drop(self.faults.audits.lock().await);
            self.inner.audit(generation).await
        }
        .boxed()
    }

    fn discard(&self, generation: u32, deployment: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        async move {
            self.answers()?;
            self.inner.discard(generation, deployment).await
        }
        .boxed()
    }
}

/// The faults of one generation.
struct OfGeneration {
    generation: u32,
    faults: Arc<Faults>,
}

impl Fault for OfGeneration {
    fn apply(&mut self, event: &Message) -> Result<Option<Applied>, ViewError> {
        let loses = *self.faults.loses.lock().unwrap() == Some((self.generation, event.entity));
        Ok(loses.then_some(Applied::Taken))
    }

    fn commit(&mut self, _: &Positions) -> Result<(), ViewError> {
        if *self.faults.holds.lock().unwrap() == Some(self.generation) {
            return Err(unavailable());
        }
        if *self.faults.damaged.lock().unwrap() == Some(self.generation) {
            return Err(ViewError::Damaged {
                view: "search",
                what: "a segment is gone".to_owned(),
            });
        }
        if *self.faults.slow.lock().unwrap() == Some(self.generation) {
            std::thread::sleep(MOMENT);
        }
        Ok(())
    }
}
