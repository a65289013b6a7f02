//! A search view on a store with faults, over a shop in memory.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sagas::Service;
use store::snapshot::IdRange;
use store::{Lease, StoreError};
use tempfile::TempDir;
use uuid::Uuid;

use crate::projector::{CommitPolicy, ViewDefinition};
use crate::search::{EmbeddedSearchStore, Search};
use crate::testing::{DEPLOYMENT, Shop, surroundings};
use crate::views::shared::{Parts, Shared};
use crate::views::tests::faulty_store::{Faults, FaultyStore};
use crate::views::{AnyView, View};
use crate::{ConsistencyToken, EntityRanges, EntityRows, OrderDocument};

pub const SOON: Duration = Duration::from_secs(10);

/// The shop's orders as rows.
struct ShopRows {
    shop: Arc<Mutex<Shop>>,
    /// An order that comes while the rows are read, after the heads were noted.
    late: Mutex<Option<u128>>,
}

impl std::fmt::Debug for ShopRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShopRows").finish_non_exhaustive()
    }
}

impl EntityRanges for ShopRows {
    fn count(&self, _: Service) -> BoxFuture<'_, Result<u64, StoreError>> {
        let count = self.shop.lock().unwrap().orders.len();
        async move { Ok(u64::try_from(count).unwrap()) }.boxed()
    }

    fn next_range(
        &self,
        _: Service,
        after: Option<Uuid>,
        _: u64,
    ) -> BoxFuture<'_, Result<IdRange, StoreError>> {
        async move { Ok(IdRange { after, up_to: None }) }.boxed()
    }
}

impl EntityRows<OrderDocument> for ShopRows {
    fn entities(
        &self,
        _: Service,
        _: IdRange,
    ) -> BoxFuture<'_, Result<Vec<OrderDocument>, StoreError>> {
        let mut shop = self.shop.lock().unwrap();
        let orders = shop.orders.values();
        let documents =
            orders.map(|(order, created)| OrderDocument::of(order.clone(), created.clone()));
        let documents = documents.collect();
        if let Some(number) = self.late.lock().unwrap().take() {
            shop.create_order(number, 1, 100);
            shop.advance(number, 1);
        }
        async move { Ok(documents) }.boxed()
    }
}

pub struct Bench {
    shop: Arc<Mutex<Shop>>,
    rows: Arc<ShopRows>,
    pub faults: Arc<Faults>,
    pub view: View<Search>,
    directory: TempDir,
    keep: Duration,
}

impl Bench {
    /// A view over a shop with orders 10 to 29, its store answering or not.
    pub fn start(keep: Duration, prepare: impl FnOnce(&Faults)) -> Self {
        let mut shop = Shop::new();
        for number in 10..30 {
            shop.create_order(number, 1, 100);
            shop.advance(number, 1);
        }

        let shop = Arc::new(Mutex::new(shop));
        let rows = Arc::new(ShopRows {
            shop: Arc::clone(&shop),
            late: Mutex::default(),
        });

        let faults = Arc::new(Faults::default());
        faults.saves_left.store(-1, Ordering::SeqCst);
        prepare(&faults);
        let directory = TempDir::new().unwrap();
        let view = start(
            std::future::ready(()),
            &directory,
            &shop,
            &rows,
            &faults,
            keep,
            1,
        );

        Bench {
            shop,
            rows,
            faults,
            view,
            directory,
            keep,
        }
    }

    pub async fn live() -> Self {
        let bench = Bench::start(Duration::from_secs(3_600), |_| {});
        bench.answers(1).await;
        bench
    }

    pub fn shop(&self) -> MutexGuard<'_, Shop> {
        self.shop.lock().unwrap()
    }

    /// An order that is committed while the next copy reads its rows.
    pub fn comes_late(&self, number: u128) {
        *self.rows.late.lock().unwrap() = Some(number);
    }

    /// Ends the view wherever it is, and starts it again on the same data.
    pub async fn restart(self, definition: u32) -> Self {
        self.restart_after(definition, |_| {}).await
    }

    /// The same, with something done to its folder in between.
    pub async fn restart_after(self, definition: u32, harm: impl FnOnce(&Path)) -> Self {
        self.restart_when(std::future::ready(()), definition, harm)
            .await
    }

    /// The same on a log that does not know its heads before `known` resolves.
    pub async fn restart_when(
        self,
        known: impl Future<Output = ()> + Send + 'static,
        definition: u32,
        harm: impl FnOnce(&Path),
    ) -> Self {
        self.view.stop().await;
        harm(self.directory.path());
        self.faults.down.store(false, Ordering::SeqCst);
        self.faults.saves_left.store(-1, Ordering::SeqCst);

        let view = start(
            known,
            &self.directory,
            &self.shop,
            &self.rows,
            &self.faults,
            self.keep,
            definition,
        );
        Bench { view, ..self }
    }

    /// Waits until this generation answers and nothing is built.
    pub async fn answers(&self, number: u32) {
        crate::testing::eventually(&format!("generation {number} answers"), || async {
            let status = self.view.status().await;
            status.generation == Some(number) && status.progress.is_none()
        })
        .await;
    }

    /// The answering generation shows all orders at their versions.
    pub async fn shows_the_shop(&self) {
        let mut token = ConsistencyToken::new();

        let orders: Vec<_> = self
            .shop()
            .orders
            .values()
            .map(|(order, _)| (order.id, order.version))
            .collect();

        for (order, version) in &orders {
            token.see_entity(domain::ORDERS, order.0, *version);
        }

        let generation = self.view.current().unwrap();
        generation.wait_until(&token, SOON).await.unwrap();

        for (order, version) in orders {
            assert_eq!(
                generation.reader().version_of(order).await.unwrap(),
                Some(version),
                "{order}"
            );
        }
    }
}

/// A view over an empty shop that nobody supervises, and its folder.
pub fn unsupervised() -> (Shared<Search>, TempDir) {
    let shop = Arc::new(Mutex::new(Shop::new()));
    let rows = Arc::new(ShopRows {
        shop: Arc::clone(&shop),
        late: Mutex::default(),
    });
    let (faults, directory) = (Arc::default(), TempDir::new().unwrap());
    let parts = parts(&directory, &shop, &rows, &faults, Duration::ZERO, 1);
    (Shared::new(parts).0, directory)
}

fn start(
    known: impl Future<Output = ()> + Send + 'static,
    directory: &TempDir,
    shop: &Arc<Mutex<Shop>>,
    rows: &Arc<ShopRows>,
    faults: &Arc<Faults>,
    keep: Duration,
    number: u32,
) -> View<Search> {
    View::start(parts(directory, shop, rows, faults, keep, number), known)
}

fn parts(
    directory: &TempDir,
    shop: &Arc<Mutex<Shop>>,
    rows: &Arc<ShopRows>,
    faults: &Arc<Faults>,
    keep: Duration,
    number: u32,
) -> Parts<Search> {
    let commit = CommitPolicy {
        linger: Duration::from_millis(5),
        rush: None,
        max_events: 64,
    };

    let definition = ViewDefinition {
        name: "search",
        number,
        uses: crate::search::DEFINITION.uses,
        commit,
    };

    let inner = EmbeddedSearchStore::new(directory.path());
    let store = Arc::new(FaultyStore {
        inner,
        faults: Arc::clone(faults),
    });

    let surroundings = surroundings(&shop.lock().unwrap().log);
    Parts {
        definition,
        store,
        lease: Lease::for_ever(),
        surroundings,
        rows: Arc::<ShopRows>::clone(rows),
        keep,
        look_every: Duration::from_secs(5),
        examine_every: Duration::from_secs(3_600),
        deployment: DEPLOYMENT,
    }
}
