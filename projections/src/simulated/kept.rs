//! The generations of a view in memory, and their catalog.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::writer::TraceWriter;
use super::{Contents, Shelf, Traces, ViewCall, ViewFate, ViewTrouble, unavailable};
use crate::ViewError;
use crate::generations::{Audit, Catalog, Found, Opened, ViewStore};

/// All generations of a view. They outlive the node, as a disk or a server does.
#[derive(Clone, Debug)]
pub struct MemoryViews {
    view: &'static str,
    kept: Arc<Mutex<Kept>>,
    trouble: Arc<dyn ViewTrouble>,
    is_shared: bool,
}

#[derive(Debug, Default)]
struct Kept {
    catalog: Catalog,
    shelves: BTreeMap<u32, Shelf>,
}

impl MemoryViews {
    /// An empty store of a view of this name.
    #[must_use]
    pub fn new(view: &'static str, trouble: Arc<dyn ViewTrouble>) -> Self {
        MemoryViews {
            view,
            kept: Arc::default(),
            trouble,
            is_shared: false,
        }
    }

    /// One that several nodes share, as a server.
    #[must_use]
    pub fn shared(self) -> Self {
        MemoryViews {
            is_shared: true,
            ..self
        }
    }

    /// Loses all it has.
    pub fn lose_all(&self) {
        *self.lock() = Kept::default();
    }

    /// Loses all generations, and not its catalog.
    pub fn lose_generations(&self) {
        self.lock().shelves.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn keep<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> Result<T, ViewError> {
        tokio::time::sleep(self.trouble.takes()).await;
        let fate = self.trouble.call(ViewCall::Keeping);
        if fate == ViewFate::Unavailable {
            return Err(unavailable(self.view));
        }
        let done = work(&mut self.lock());
        match fate {
            ViewFate::DoneAndUnavailable => Err(unavailable(self.view)),
            _ => Ok(done),
        }
    }
}

impl ViewStore<Traces> for MemoryViews {
    fn backend(&self) -> &'static str {
        "memory"
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>> {
        async { self.keep(|kept| kept.catalog.clone()).await }.boxed()
    }

    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        async {
            let saved = self.keep(|kept| {
                let stands_back = catalog.follows_on(&kept.catalog);
                if stands_back {
                    kept.catalog.clone_from(catalog);
                }
                stands_back
            });
            match saved.await? {
                true => Ok(()),
                false => Err(ViewError::overtaken(self.view)),
            }
        }
        .boxed()
    }

    fn generations(&self) -> BoxFuture<'_, Result<Vec<Found>, ViewError>> {
        let found = |number: &u32| Found {
            number: *number,
            deployment: None,
        };
        async move {
            self.keep(|kept| kept.shelves.keys().map(found).collect())
                .await
        }
        .boxed()
    }

    fn open(&self, generation: u32, _: Uuid) -> BoxFuture<'_, Result<Opened<Traces>, ViewError>> {
        async move {
            let new = || Shelf {
                view: self.view,
                generation,
                contents: Arc::default(),
                trouble: Arc::clone(&self.trouble),
            };
            let opened = self.keep(|kept| {
                let shelf = kept.shelves.entry(generation).or_insert_with(new);
                shelf.clone()
            });
            let shelf = opened.await?;
            Ok(Opened {
                writer: Box::new(TraceWriter::new(self.view, shelf.clone())),
                reader: Arc::new(shelf.clone()),
                versions: Arc::new(shelf),
            })
        }
        .boxed()
    }

    fn check(&self, generation: u32, _: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        async move {
            let is_there = self.keep(|kept| kept.shelves.contains_key(&generation));
            let is_there = is_there.await?;
            is_there.then_some(()).ok_or(ViewError::Damaged {
                view: self.view,
                what: format!("generation {generation} is gone"),
            })
        }
        .boxed()
    }

    fn audit(&self, generation: u32) -> BoxFuture<'_, Result<Option<Audit<Traces>>, ViewError>> {
        async move {
            let shelf = self.keep(|kept| kept.shelves.get(&generation).cloned());
            let shelf = shelf.await?;
            Ok(shelf.map(|shelf| -> Audit<Traces> { Box::new(shelf) }))
        }
        .boxed()
    }

    fn discard(&self, generation: u32, _: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        async move {
            let discards = |kept: &mut Kept| kept.shelves.remove(&generation);
            if let Some(shelf) = self.keep(discards).await? {
                // Whoever has it open finds nothing more there.
                *shelf.lock() = Contents::default();
            }
            Ok(())
        }
        .boxed()
    }
}
