//! One view of a small shop on a real store, which is damaged.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use store::Lease;
use tempfile::TempDir;
use uuid::Uuid;

use crate::generations::{BuildFrom, ViewStore};
use crate::projector::ViewDefinition;
use crate::testing::{DEPLOYMENT, Shop, TestLog, eventually, surroundings};
use crate::views::{AnyView, Parts, View};
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

    /// Damages the files of a view that has answered, and waits until it is rebuilt.
    pub async fn heals_at_the_start(self, what: &str, harm: impl Fn(&Path)) -> Self {
        let folder = self.folder.path().to_owned();
        let lab = self.live().await;
        lab.heals_after(what, 2, async { harm(&folder) }).await
    }

    /// Stops the view, damages what it has, and waits until this generation shows all.
    pub async fn heals_after(
        self,
        what: &str,
        generation: u32,
        harm: impl Future<Output = ()>,
    ) -> Self {
        self.view.stop().await;
        harm.await;
        let lab = self.start_again();
        // The damaged one may answer for a moment, until it is noticed.
        lab.answers(what, generation).await;
        lab.shows_the_shop(what).await;

        // And the next start finds nothing wrong.
        let lab = lab.restart().await;
        lab.answers(what, generation).await;
        lab.shows_the_shop(what).await;
        lab
    }

    /// Damages what a view has that runs, and waits until another generation shows all.
    pub async fn heals_while_it_runs(self, what: &str, harm: impl Future<Output = ()>) {
        let lab = self.live().await;
        harm.await;
        lab.answers(what, 2).await;
        lab.shows_the_shop(what).await;
        lab.view.stop().await;
    }

    /// Damages the catalog of a view that runs, and waits until it is saved again; nothing is
    /// rebuilt.
    pub async fn saves_its_catalog_again(&self, what: &str, harm: impl Future<Output = ()>) {
        harm.await;
        let store = (self.make_store)(self.folder.path());
        eventually(&format!("the catalog is saved after {what}"), || async {
            let saved = store.catalog().await;
            saved.is_ok_and(|saved| saved.live == Some(1))
        })
        .await;
        assert_eq!(self.view.status().await.generation, Some(1), "{what}");
    }

    /// Another deployment that uses the same store by mistake is refused, and takes nothing from
    /// this one; when this one has gone with all it had, the other begins by itself.
    pub async fn keeps_out(self, mut other: Self, gone: impl Future<Output = ()>) {
        let first = self.live().await;
        other.deployment = Uuid::from_u128(0xbad);
        let other = other.restart().await;
        eventually("it is refused", || async {
            let told = other.view.trouble();
            told.is_some_and(|told| told.contains(&DEPLOYMENT.to_string()))
        })
        .await;
        assert!(other.view.current().is_err());
        let refused = other.view.rebuild(BuildFrom::History, None).await;
        assert!(
            matches!(refused, Err(ViewError::Foreign { .. })),
            "{refused:?}"
        );

        first.answers("another deployment", 1).await;
        first.shows_the_shop("another deployment").await;
        first.view.stop().await;

        gone.await;
        other.answers("the end of the other", 1).await;
        other.shows_the_shop("the end of the other").await;
        other.view.stop().await;
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
        lease: Lease::for_ever(),
        surroundings: surroundings(log),
        rows: Arc::new(NoRows),
        keep: Duration::ZERO,
        look_every: Duration::from_millis(20),
        examine_every: Duration::from_millis(200),
        deployment,
    };
    View::start(parts, std::future::ready(()))
}
