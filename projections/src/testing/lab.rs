//! One view of a small shop on a real store, which is damaged.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use uuid::Uuid;

use crate::generations::ViewStore;
use crate::projector::ViewDefinition;
use crate::testing::{DEPLOYMENT, Shop, TestLog, eventually};
use crate::views::{AnyView, Parts, View, ViewState};
use crate::{ConsistencyToken, NoRows, Projection, ViewError};

/// Makes the store of a view in a folder.
type MakeStore<P> = Box<dyn Fn(&Path) -> Arc<dyn ViewStore<P>> + Send + Sync>;

const SOON: Duration = Duration::from_secs(10);

pub struct Lab<P: Projection> {
    definition: ViewDefinition,
    make_store: MakeStore<P>,
    folder: TempDir,
    log: Arc<TestLog>,
    pub deployment: Uuid,
    pub view: View<P>,
}

/// A log with customers 1 to 3 and orders from 10 on.
fn log(orders: u128) -> Arc<TestLog> {
    let mut shop = Shop::new();
    for customer in 1..=3 {
        shop.create_customer(customer, "Ada Park");
    }
    for number in 10..10 + orders {
        shop.create_order(number, 1 + number % 3, 100);
        shop.advance(number, 1);
    }
    shop.log
}

impl<P: Projection> Lab<P> {
    pub fn new(
        definition: ViewDefinition,
        make_store: impl Fn(&Path) -> Arc<dyn ViewStore<P>> + Send + Sync + 'static,
    ) -> Self {
        let (folder, log) = (TempDir::new().unwrap(), log(300));
        let view = start(definition, make_store(folder.path()), &log, DEPLOYMENT);
        Lab {
            definition,
            make_store: Box::new(make_store),
            folder,
            log,
            deployment: DEPLOYMENT,
            view,
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// With a first generation that answers.
    pub async fn live(self) -> Self {
        self.answers("nothing", 1).await;
        self
    }

    /// Ends the view and starts it again on the same files.
    pub async fn restart(self) -> Self {
        self.view.stop().await;
        self.start_again()
    }

    fn start_again(self) -> Self {
        let store = (self.make_store)(self.folder.path());
        let view = start(self.definition, store, &self.log, self.deployment);
        Lab { view, ..self }
    }

    /// The same, where the services' databases are older copies of what they were.
    pub async fn restart_on_an_older_log(mut self) -> Self {
        self.view.stop().await;
        self.log = log(50);
        self.start_again()
    }

    /// The services' databases lose half of what they have.
    pub fn forget_the_newest_events(&self) {
        self.log.forget_half();
    }

    /// Damages the files of a view that has answered, and waits until it has healed.
    pub async fn heals_at_the_start(self, what: &str, harm: impl Fn(&Path)) -> Self {
        let folder = self.folder.path().to_owned();
        let lab = self.live().await;
        lab.heals_after(what, async { harm(&folder) }).await
    }

    /// Stops the view, damages what it has, and waits until it has healed.
    pub async fn heals_after(self, what: &str, harm: impl Future<Output = ()>) -> Self {
        self.view.stop().await;
        harm.await;
        let lab = self.start_again();
        eventually(&format!("the view answers after {what}"), || async {
            let status = lab.view.status().await;
            (status.state, status.error) == (ViewState::Live, None)
        })
        .await;
        lab.shows_the_shop(what).await;

        // And the next start finds nothing wrong.
        let healed = lab.view.status().await.generation;
        let lab = lab.restart().await;
        lab.shows_the_shop(what).await;
        assert_eq!(lab.view.status().await.generation, healed, "{what}");
        lab
    }

    /// Waits until this generation answers, and nothing is built or wrong.
    pub async fn answers(&self, what: &str, number: u32) {
        eventually(
            &format!("generation {number} answers after {what}"),
            || async {
                let status = self.view.status().await;
                let is_done = status.progress.is_none() && status.error.is_none();
                status.generation == Some(number) && is_done
            },
        )
        .await;
    }

    /// All orders of the log are shown, at their versions.
    pub async fn shows_the_shop(&self, what: &str) {
        let mut token = ConsistencyToken::new();
        for (order, version) in self.log.versions(domain::ORDERS) {
            token.see_entity(domain::ORDERS, order, version);
        }
        // A query that meets damage is answered so; the next one finds another generation.
        eventually(&format!("the view shows all after {what}"), || async {
            match self.view.wait_until(&token, SOON).await {
                Ok(()) => true,
                Err(ViewError::Behind { behind, .. }) => panic!("{what}: {behind:?}"),
                Err(_) => false,
            }
        })
        .await;
    }

    /// Waits until nothing of another generation is left.
    pub async fn has_only(&self, prefix: &str, number: u32) {
        let own = format!("{prefix}{number}");
        eventually(&format!("only {own} is left"), || async {
            let mut names = fs::read_dir(self.folder()).unwrap();
            names.all(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                !name.starts_with(prefix) || name.starts_with(&own)
            })
        })
        .await;
    }
}

fn start<P: Projection>(
    definition: ViewDefinition,
    store: Arc<dyn ViewStore<P>>,
    log: &Arc<TestLog>,
    deployment: Uuid,
) -> View<P> {
    let parts = Parts {
        definition,
        store,
        log: Arc::<TestLog>::clone(log),
        rows: Arc::new(NoRows),
        keep: Duration::ZERO,
        look_every: Duration::from_millis(20),
        examine_every: Duration::from_millis(200),
        deployment,
    };
    View::start(parts, std::future::ready(()))
}
