//! A projector that feeds the real document store, with faults in its way, from a log in memory.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{OrderId, OrderState};
use store::{Lease, Message, Positions};
use tempfile::TempDir;
use uuid::Uuid;

use crate::ViewError;
use crate::alarm::Alarm;
use crate::documents::sqlite::{self, SqliteDocumentReader};
use crate::documents::{DEFINITION, DocumentReader, Documents, VIEW};
use crate::generations::Opened;
use crate::port::Applied;
use crate::projector::{CommitPolicy, ViewDefinition};
use crate::shop::OrderDocument;
use crate::testing::{Fault, FaultyWriter, Shop, TestLog, surroundings};
use crate::token::ConsistencyToken;
use crate::views::OpenGeneration;

/// What goes wrong in the view's store.
#[derive(Default)]
pub struct Faults {
    /// Commits that fail as if the store did not answer.
    pub commits: usize,
    /// Entities whose events cannot be applied.
    pub poisoned: HashSet<Uuid>,
    /// Entities whose events can be applied but not committed.
    pub refused: HashSet<Uuid>,
    pub panics: usize,
    pub largest_batch: usize,
    /// The positions of the newest commit that was finished.
    pub finished: Positions,
}

/// The faults, and what they depend on.
struct OfBatches {
    faults: Arc<Mutex<Faults>>,
    batch: Vec<Uuid>,
    committed: Positions,
}

impl Fault for OfBatches {
    fn positions(&mut self) {
        self.batch.clear();
    }

    fn apply(&mut self, event: &Message) -> Result<Option<Applied>, ViewError> {
        let mut faults = self.faults.lock().unwrap();
        if faults.panics > 0 {
            faults.panics -= 1;
            drop(faults);
            panic!("a fault asked for by the test");
        }

        if faults.poisoned.contains(&event.entity) && event.version > 1 {
            return Err(ViewError::Refused {
                view: VIEW,
                what: "poison".into(),
            });
        }

        self.batch.push(event.entity);
        faults.largest_batch = faults.largest_batch.max(self.batch.len());

        Ok(None)
    }

    fn commit(&mut self, positions: &Positions) -> Result<(), ViewError> {
        let mut faults = self.faults.lock().unwrap();
        if faults.commits > 0 {
            faults.commits -= 1;
            return Err(ViewError::Unavailable {
                view: VIEW,
                source: "down".into(),
            });
        }

        if self
            .batch
            .iter()
            .any(|entity| faults.refused.contains(entity))
        {
            return Err(ViewError::Refused {
                view: VIEW,
                what: "refused".into(),
            });
        }

        self.batch.clear();
        self.committed.clone_from(positions);

        Ok(())
    }

    fn finish(&mut self) {
        self.faults
            .lock()
            .unwrap()
            .finished
            .clone_from(&self.committed);
    }
}

pub struct Bench {
    pub shop: Shop,
    pub reader: SqliteDocumentReader,
    pub view: OpenGeneration<Documents>,
    pub faults: Arc<Mutex<Faults>>,
    directory: TempDir,
    policy: CommitPolicy,
}

pub const SOON: Duration = Duration::from_secs(8);
pub const QUICK: CommitPolicy = CommitPolicy {
    linger: Duration::from_millis(5),
    rush: None,
    max_events: 64,
};
/// Nothing is committed unless a reader asks.
pub const LAZY: CommitPolicy = CommitPolicy {
    linger: Duration::from_secs(3_600),
    rush: None,
    max_events: 1_000_000,
};

impl Bench {
    pub async fn start(policy: CommitPolicy) -> Self {
        Bench::with_shop(Shop::new(), policy).await
    }

    pub async fn with_shop(shop: Shop, policy: CommitPolicy) -> Self {
        let directory = TempDir::new().unwrap();
        let faults = Arc::new(Mutex::new(Faults::default()));
        let (view, reader) = open(&directory, &shop.log, &faults, policy).await;
        Bench {
            shop,
            reader,
            view,
            faults,
            directory,
            policy,
        }
    }

    /// Ends the projector without a last commit being promised, and opens the same file again.
    pub async fn restart(self) -> Self {
        self.view.stop().await;
        let (view, reader) = open(&self.directory, &self.shop.log, &self.faults, self.policy).await;
        Bench {
            view,
            reader,
            ..self
        }
    }

    pub fn all_versions(&self) -> ConsistencyToken {
        let mut token = ConsistencyToken::new();
        for (id, customer) in &self.shop.customers {
            token.see_entity(domain::CUSTOMERS, *id, customer.version);
        }
        for (id, (order, _)) in &self.shop.orders {
            token.see_entity(domain::ORDERS, *id, order.version);
        }
        token
    }

    /// The view shows exactly what the shop has.
    pub async fn shows_the_shop(&self) {
        self.view
            .wait_until(&self.all_versions(), SOON)
            .await
            .unwrap();

        for (order, created) in self.shop.orders.values() {
            let shown = self.reader.order(order.id).await.unwrap().value.unwrap();
            assert_eq!(shown, OrderDocument::of(order.clone(), created.clone()));
        }

        for customer in self.shop.customers.values() {
            let shown = self
                .reader
                .customer(customer.id, 100)
                .await
                .unwrap()
                .value
                .unwrap();
            assert_eq!(shown.customer.available_credit, customer.available_credit());
            assert_eq!(
                (shown.customer.version, &shown.customer.name),
                (customer.version, &customer.name)
            );
            let orders = self
                .shop
                .orders
                .values()
                .filter(|(order, _)| order.customer_id == customer.id);
            assert_eq!(shown.orders.len(), orders.count().min(100));
        }

        let count = self.reader.count_customers().await.unwrap().value;
        assert_eq!(count, u64::try_from(self.shop.customers.len()).unwrap());
    }

    pub async fn state(&self, number: u128) -> Option<OrderState> {
        self.reader
            .order(OrderId(Uuid::from_u128(number)))
            .await
            .unwrap()
            .value
            .map(|order| order.state)
    }
}

async fn open(
    directory: &TempDir,
    log: &Arc<TestLog>,
    faults: &Arc<Mutex<Faults>>,
    policy: CommitPolicy,
) -> (OpenGeneration<Documents>, SqliteDocumentReader) {
    let (inner, reader) = sqlite::open(directory.path()).await.unwrap();

    let fault = OfBatches {
        faults: Arc::clone(faults),
        batch: Vec::new(),
        committed: Positions::new(),
    };

    let writer = FaultyWriter {
        inner: Box::new(inner),
        fault,
    };

    let definition = ViewDefinition {
        name: VIEW,
        number: 1,
        uses: DEFINITION.uses,
        commit: policy,
    };

    let (read, versions) = (Arc::new(reader.clone()), Arc::new(reader.clone()));

    let opened = Opened::<Documents> {
        writer: Box::new(writer),
        reader: read as Arc<dyn DocumentReader>,
        versions,
    };
    let (supervisor, _) = tokio::sync::mpsc::unbounded_channel();
    let alarm = Alarm::new(1, supervisor);
    let view = OpenGeneration::feed(
        definition,
        alarm,
        opened,
        surroundings(log),
        Lease::for_ever(),
    )
    .unwrap();
    (view, reader)
}
