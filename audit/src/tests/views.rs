//! Views under audit: damaged, behind, in quarantine, never built, or gone.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use projections::OrderDocument;
use projections::generations::{Audit, Catalog, Found, Opened, ViewStore};
use projections::search::{EmbeddedSearchStore, Search, VIEW};
use projections::slices::{Slice, ViewAudit};
use store::snapshot::IdRange;

use super::*;

#[test]
fn damaged_documents_are_found() {
    let columns = "customer_id, state, total_cents, created_at, version, rejection_reason, \
         customer_name, lines, note";
    for sql in [
        "UPDATE order_documents SET note = 'ring once' \
         WHERE id = (SELECT min(id) FROM order_documents)",
        "UPDATE order_documents SET lines = '[]' WHERE id = (SELECT min(id) FROM order_documents)",
        "UPDATE order_documents SET lines = '[' WHERE id = (SELECT min(id) FROM order_documents)",
        "UPDATE order_documents SET version = 9 WHERE id = (SELECT min(id) FROM order_documents)",
        "UPDATE order_documents SET version = 1, state = 1, customer_name = NULL \
         WHERE id = (SELECT min(id) FROM order_documents WHERE state = 2)",
        "DELETE FROM order_documents WHERE id = (SELECT min(id) FROM order_documents)",
        &format!(
            "INSERT INTO order_documents (id, {columns}) \
             SELECT randomblob(16), {columns} FROM order_documents LIMIT 1"
        ),
        "UPDATE customer_documents SET available_cents = available_cents - 1 WHERE name = 'Bob'",
        "UPDATE view_positions SET positions = '{\"orders\":[[0,1000000]]}'",
    ] {
        assert_eq!(
            violated_by(DOCUMENTS, sql),
            vec![Invariant::Documents],
            "{sql}"
        );
    }
}

#[test]
fn documents_may_be_older_as_long_as_the_view_has_not_gone_past() {
    let folder = Left::behind().copy();
    damage(folder.path(), DOCUMENTS, "DELETE FROM order_documents");
    damage(
        folder.path(),
        DOCUMENTS,
        "UPDATE view_positions SET positions = '{}'",
    );
    let report = audit(folder.path());
    assert!(report.holds(), "{report}");
    let lag = &report.views["documents"];
    assert!(lag.behind == 16 && lag.shards_behind > 0, "{report}");
}

#[test]
fn an_entity_that_a_view_has_in_quarantine_is_told_and_may_be_older() {
    let folder = Left::behind().copy();
    let documents = Connection::open(folder.path().join(DOCUMENTS)).unwrap();

    let first = "(SELECT min(id) FROM order_documents)";
    let id: Vec<u8> = documents
        .query_row(&format!("SELECT {first}"), [], |row| row.get(0))
        .unwrap();

    let entity = QuarantinedEntity {
        source: ShardId::of(domain::ORDERS, Uuid::from_slice(&id).unwrap(), shop::SHARDS),
        entity: Uuid::from_slice(&id).unwrap(),
        version: 1,
        sequence: 1,
        cause: "a test".into(),
        time: Timestamp::from_micros(1),
        since: Some(Timestamp::from_micros(9)),
    };
    let detail = serde_json::to_string(&entity).unwrap();

    let put = "INSERT INTO view_quarantine (entity, service, detail) VALUES (?, ?, ?)";
    documents
        .execute(put, (&id, domain::ORDERS.number(), detail))
        .unwrap();

    documents
        .execute(
            &format!("DELETE FROM order_documents WHERE id = {first}"),
            [],
        )
        .unwrap();

    drop(documents);
    let report = audit(folder.path());
    assert!(report.holds(), "{report}");

    assert_eq!(
        (
            report.views["documents"].behind,
            report.views["documents"].quarantined.len()
        ),
        (1, 1),
        "{report}"
    );
}

#[test]
fn an_older_search_index_is_behind_and_one_that_says_it_is_new_is_wrong() {
    let left = Left::behind();
    let folder = left.copy();
    let index = folder.path().join("search-1");

    let payload = |folder: &Path| -> Value {
        let meta: Value =
            serde_json::from_slice(&fs::read(folder.join("meta.json")).unwrap()).unwrap();
        meta["payload"].clone()
    };
    let newest = payload(&index);
    fs::remove_dir_all(&index).unwrap();

    copy(&left.old_index(), &index);
    let report = audit(folder.path());
    assert!(
        report.holds() && report.views["search"].behind == 8,
        "{report}"
    );

    let mut meta: Value =
        serde_json::from_slice(&fs::read(index.join("meta.json")).unwrap()).unwrap();
    meta["payload"] = newest;

    fs::write(index.join("meta.json"), meta.to_string()).unwrap();
    let report = audit(folder.path());
    assert_eq!(
        report.violated().collect::<Vec<_>>(),
        vec![Invariant::Search],
        "{report}"
    );

    assert_eq!(report.violations(), 8, "{report}");
}

#[test]
fn views_that_were_never_built_are_told_and_not_called_violations() {
    let folder = Left::behind().copy();
    remove_views(folder.path());

    for catalog in ["documents.json", "search.json"] {
        fs::remove_file(folder.path().join(catalog)).unwrap();
    }

    let report = audit(folder.path());
    assert!(report.holds(), "{report}");

    let unchecked = report
        .invariants
        .values()
        .filter(|finding| finding.unchecked.is_some())
        .count();
    assert_eq!(unchecked, 2, "{report}");
}

#[test]
fn a_view_whose_answering_generation_is_gone_is_a_violation_naming_it() {
    let folder = Left::behind().copy();
    remove_views(folder.path());

    let report = audit(folder.path());
    assert_eq!(
        report.violated().collect::<Vec<_>>(),
        vec![Invariant::Documents, Invariant::Search],
        "{report}"
    );

    for view in ["documents", "search"] {
        let told = format!(
            "view {view}: store: expected generation 1, which answers by the catalog, found nothing"
        );
        assert!(report.to_string().contains(&told), "{report}");
    }
}

fn remove_views(folder: &Path) {
    fs::remove_file(folder.join(DOCUMENTS)).unwrap();
    fs::remove_dir_all(folder.join("search-1")).unwrap();
}

/// A search view whose generation 2 is deleted as soon as somebody looks at it: generation 1
/// answers from then on.
#[derive(Debug)]
struct Reverted {
    inner: EmbeddedSearchStore,
    live: Arc<AtomicU32>,
    /// When somebody reads what was opened, not when it is opened.
    later: bool,
}

/// What has become of generation 2.
struct Deleted(Arc<AtomicU32>);

impl Deleted {
    fn error() -> ViewError {
        ViewError::Damaged {
            view: VIEW,
            what: "FileDoesNotExist(\"meta.json\")".to_owned(),
        }
    }
}

impl ViewAudit<OrderDocument> for Deleted {
    fn slice(
        &self,
        _: domain::Service,
        _: IdRange,
    ) -> BoxFuture<'_, Result<Slice<OrderDocument>, ViewError>> {
        self.0.store(1, Ordering::Relaxed);
        async { Err(Deleted::error()) }.boxed()
    }
}

impl ViewStore<Search> for Reverted {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn catalog(&self) -> BoxFuture<'_, Result<Catalog, ViewError>> {
        let live = Some(self.live.load(Ordering::Relaxed));
        async move {
            let catalog = self.inner.catalog().await?;
            Ok(Catalog { live, ..catalog })
        }
        .boxed()
    }

    fn save<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), ViewError>> {
        self.inner.save(catalog)
    }

    fn generations(&self) -> BoxFuture<'_, Result<Vec<Found>, ViewError>> {
        self.inner.generations()
    }

    fn open(&self, number: u32, id: Uuid) -> BoxFuture<'_, Result<Opened<Search>, ViewError>> {
        self.inner.open(number, id)
    }

    fn check(&self, number: u32, id: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        self.inner.check(number, id)
    }

    fn audit(&self, number: u32) -> BoxFuture<'_, Result<Option<Audit<Search>>, ViewError>> {
        if number == 1 {
            return self.inner.audit(number);
        }
        let deleted = Deleted(Arc::clone(&self.live));
        if self.later {
            return async { Ok(Some(Box::new(deleted) as Audit<Search>)) }.boxed();
        }
        self.live.store(1, Ordering::Relaxed);
        async { Err(Deleted::error()) }.boxed()
    }

    fn discard(&self, number: u32, id: Uuid) -> BoxFuture<'_, Result<(), ViewError>> {
        self.inner.discard(number, id)
    }
}

#[test]
fn a_generation_that_a_running_node_deletes_under_the_auditor_is_no_damage() {
    let folder = Left::behind().copy();
    let lock = File::create(folder.path().join(LOCK_FILE)).unwrap();

    let audit = |later| {
        let reverted = Reverted {
            inner: EmbeddedSearchStore::new(folder.path()),
            live: Arc::new(AtomicU32::new(2)),
            later,
        };
        let mut config = config(folder.path(), Some(shop::SHARDS));
        config.patience = Duration::from_secs(600);
        config.views.search = Arc::new(reverted);
        run(super::super::run(&config))
    };

    for later in [false, true] {
        // Without a node there is nobody who will put it in order.
        let alone = audit(later);
        assert!(matches!(alone, Err(AuditError::View(_))), "{alone:?}");
    }

    lock.try_lock().unwrap();
    for later in [false, true] {
        let report = audit(later).unwrap();
        assert!(report.holds(), "{report}");
        assert!(
            report.invariants[&Invariant::Search].checked > 0,
            "{report}"
        );
    }
}
