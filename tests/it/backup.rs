//! Backups: taken under load and without a node, restored elsewhere, and the only way to bring
//! databases of different moments back together.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tests::{Api, Node, Ran, eventually, in_state};

const CALLERS: usize = 4;

/// What the callers were told is accepted.
#[derive(Default)]
struct Load {
    orders: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Load {
    fn orders(&self) -> Vec<String> {
        self.orders.lock().expect("no caller panicked").clone()
    }

    /// Places orders until told to stop.
    async fn run(&self, api: &Api, customer: &str) {
        while !self.stop.load(Ordering::Relaxed) {
            let order = api.new_order(customer, "0.07").await.is(201);
            let id = order.str("orderId").to_owned();
            self.orders.lock().expect("no caller panicked").push(id);
        }
    }

    async fn has(&self, orders: usize) {
        eventually("the load is under way", async || {
            (self.orders().len() >= orders).then_some(())
        })
        .await;
    }
}

async fn backup(node: &Node, to: &Path) -> Ran {
    let to = to.to_str().expect("a path of text");
    node.cli().run(&["backup", "--to", to]).await
}

async fn restore(node: &Node, from: &Path) -> Ran {
    let from = from.to_str().expect("a path of text");
    node.cli().run(&["restore", "--from", from]).await
}

/// A node that has ended and whose data are gone.
async fn empty() -> Node {
    let mut node = Node::start().await;
    node.terminate().await;
    fs::remove_dir_all(node.data()).expect("a data folder");
    node.take_new_view_stores();
    node
}

#[tokio::test]
async fn every_order_accepted_before_a_backup_under_load_is_there_where_it_is_restored() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let to = folder.path().join("backup");
    let mut node = Node::start().await;
    let load = Arc::new(Load::default());
    let mut callers = Vec::new();
    for number in 0..CALLERS {
        let customer = node
            .api()
            .create_customer(&format!("C{number}"), "5.00")
            .await;
        let (api, load) = (node.api(), Arc::clone(&load));
        callers.push(tokio::spawn(
            async move { load.run(&api, &customer.id).await },
        ));
    }

    load.has(100).await;
    let before = load.orders();
    let told = backup(&node, &to).await.succeeded();
    assert!(told.stdout.contains("whole and checked"), "{}", told.said());
    load.has(before.len() + 50).await;
    load.stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("no caller panicked");
    }

    let mut other = empty().await;
    let told = restore(&other, &to).await.succeeded();
    assert!(
        told.stdout.contains("counterfoil verify"),
        "{}",
        told.said()
    );
    other.restart().await;

    let api = other.api();
    for order in &before {
        api.get(&format!("/orders/{order}/history")).await.is(200);
    }
    for order in &before {
        eventually("the order's saga has ended", async || {
            let answer = api.order(order).await;
            (answer.status == 200 && in_state(&answer.json, &["APPROVED", "REJECTED"]))
                .then_some(())
        })
        .await;
    }
    other.cli().run(&["verify"]).await.succeeded();

    // What was backed up has noticed nothing.
    node.terminate().await;
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn a_node_that_was_killed_is_backed_up_and_restored_with_all_it_has_answered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let to = folder.path().join("backup");
    let mut node = Node::start().await;
    let customer = node.api().create_customer("Ada", "5.00").await;
    let placed = node.api().place(&customer.id, "1.00", "APPROVED").await;
    node.kill();

    backup(&node, &to).await.succeeded();
    let again = backup(&node, &to).await.failed();
    assert!(
        again.only_line().contains("is not empty"),
        "{}",
        again.stderr
    );

    let refused = restore(&node, &to).await.failed();
    assert!(
        refused.said().contains("is not empty"),
        "{}",
        refused.stderr
    );
    fs::remove_dir_all(node.data()).expect("a data folder");
    restore(&node, &to).await.succeeded();
    let files: Vec<_> = fs::read_dir(node.data())
        .expect("the data folder")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| {
            let kept = ["lock", "customers.db", "orders.db"];
            !kept
                .iter()
                .any(|kept| name.to_string_lossy().starts_with(kept))
        })
        .collect();
    assert!(files.is_empty(), "views are built anew: {files:?}");

    node.take_new_view_stores();
    node.restart().await;
    let shown = node
        .api()
        .order(&placed.id)
        .token(&placed.token)
        .await
        .is(200);
    assert_eq!(shown.str("state"), "APPROVED");
    node.cli().run(&["verify"]).await.succeeded();
}

#[tokio::test]
async fn a_backup_that_is_damaged_restores_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let to = folder.path().join("backup");
    let mut node = Node::start().await;
    node.api().create_customer("Ada", "5.00").await;
    backup(&node, &to).await.succeeded();
    node.terminate().await;
    fs::remove_dir_all(node.data()).expect("a data folder");

    let orders = to.join("orders.db");
    let whole = fs::read(&orders).expect("a copy");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&orders, flipped).expect("a copy");
    let refused = restore(&node, &to).await.failed();
    assert!(
        refused
            .only_line()
            .contains("orders.db is not what was written"),
        "{}",
        refused.stderr
    );
    assert!(!node.data().join("orders.db").exists());

    fs::write(&orders, whole).expect("a copy");
    restore(&node, &to).await.succeeded();
    node.restart().await;
}

#[tokio::test]
async fn databases_that_do_not_belong_together_are_refused_and_a_backup_brings_them_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (to, older) = (folder.path().join("backup"), folder.path().join("older.db"));
    let mut node = Node::start().await;
    let customer = node.api().create_customer("Ada", "5.00").await;
    node.terminate().await;
    let customers = node.data().join("customers.db");
    fs::copy(&customers, &older).expect("a copy");
    node.restart().await;
    node.api().place(&customer.id, "1.00", "APPROVED").await;
    backup(&node, &to).await.succeeded();
    node.terminate().await;

    // An older copy, and none.
    fs::copy(&older, &customers).expect("a copy");
    let refused = node.cli().serve_is_refused(&[]).await;
    for word in [
        "customers.db is older than",
        "orders.db knows it",
        "counterfoil restore",
    ] {
        assert!(
            refused.only_line().contains(word),
            "no {word:?} in {}",
            refused.stderr
        );
    }
    fs::remove_file(&customers).expect("a database");
    let refused = node.cli().serve_is_refused(&[]).await;
    for word in ["customers.db is missing", "orders.db beside it is in use"] {
        assert!(
            refused.only_line().contains(word),
            "no {word:?} in {}",
            refused.stderr
        );
    }

    fs::remove_dir_all(node.data()).expect("a data folder");
    restore(&node, &to).await.succeeded();
    node.restart().await;
    node.cli().run(&["verify"]).await.succeeded();
}
