//! The auditor on real stores: it finds what a node leaves behind in order, and each damage as what
//! it is.

mod given_up;
pub(super) mod shop;
mod unreadable;
mod views;

use std::fs::{self, File};
use std::future::Future;
use std::path::Path;

use domain::{ShardId, Timestamp};
use futures_util::future::join_all;
use projections::QuarantinedEntity;
use rusqlite::Connection;
use serde_json::Value;
use uuid::Uuid;

use super::*;
use shop::{Left, Shop, copy};

pub(super) fn run<T>(test: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(test)
}

fn audit(folder: &Path) -> Report {
    run(super::run(&config(folder, Some(shop::SHARDS)))).unwrap()
}

fn config(folder: &Path, shards: Option<u16>) -> AuditConfig {
    AuditConfig {
        customers: Home::Folder(folder.to_owned()),
        orders: Home::Folder(folder.to_owned()),
        data_dir: folder.to_owned(),
        shards,
        views: shop::view_stores(folder),
        extent: Extent::Full,
        pace: Pace::default(),
        patience: Duration::ZERO,
    }
}

fn damage(folder: &Path, file: &str, sql: &str) {
    let connection = Connection::open(folder.join(file)).unwrap();
    let changed = connection.execute(sql, []).unwrap();
    assert!(changed > 0, "nothing is damaged by {sql}");
}

/// The invariants violated after a statement on one of the stores.
fn violated_by(file: &str, sql: &str) -> Vec<Invariant> {
    let folder = Left::behind().copy();
    damage(folder.path(), file, sql);
    let report = audit(folder.path());
    report.violated().collect()
}

const CUSTOMERS: &str = "customers.db";
const ORDERS: &str = "orders.db";
const DOCUMENTS: &str = "documents-1.db";
/// One approved order, the same in every statement.
const APPROVED: &str = "(SELECT min(order_id) FROM orders WHERE state = 'APPROVED')";

#[test]
fn what_a_node_leaves_behind_holds_every_invariant() {
    let report = audit(Left::behind().copy().path());
    assert!(report.holds(), "{report}");
    assert_eq!(report.invariants.len(), 10, "{report}");

    // No operator has had anything to do there.
    let rare = [Invariant::Operators];
    for (invariant, finding) in &report.invariants {
        let is_checked = finding.checked > 0 || rare.contains(invariant);
        assert!(is_checked && finding.unchecked.is_none(), "{report}");
    }
    // The order of the customer that cannot answer, once in each half.
    let work = &report.work_in_flight;

    assert_eq!(
        (
            work.open_sagas,
            work.messages,
            work.waiting_for_retry + work.quarantined
        ),
        (2, 0, 2),
        "{report}"
    );

    assert!(
        report
            .views
            .values()
            .all(|view| view.behind == 0 && view.shards_behind == 0),
        "{report}"
    );
}

#[test]
fn damage_to_what_waits_and_to_what_operators_have_done_is_found() {
    use Invariant::{Operators, Quarantine, Sagas};
    for (file, sql, violated) in [
        (
            CUSTOMERS,
            "UPDATE parked_messages SET source_sequence = source_sequence + 1",
            Quarantine,
        ),
        (
            CUSTOMERS,
            "UPDATE parked_messages SET shard = (shard + 1) % 4",
            Quarantine,
        ),
        (
            CUSTOMERS,
            "UPDATE parked_messages SET body = '{'",
            Quarantine,
        ),
        (
            CUSTOMERS,
            "UPDATE parked_messages SET state = 'LOST'",
            Quarantine,
        ),
        (
            ORDERS,
            "INSERT INTO timers (timer_id, shard, wake_at, patience) VALUES (x'01', 0, 1, 1)",
            Sagas,
        ),
        (
            ORDERS,
            "INSERT INTO operator_actions \
             (action_id, shard, action, subject_id, entity_id, done_by, time, detail) \
             SELECT saga_id, 99, 'saga.retried', saga_id, entity_id, 'ada', 1, '{}' FROM sagas",
            Operators,
        ),
        (
            ORDERS,
            "INSERT INTO operator_actions \
             (action_id, shard, action, subject_id, entity_id, done_by, time, detail) \
             SELECT saga_id, (shard + 1) % 4, 'saga.retried', saga_id, entity_id, 'ada', 1, '{}' \
             FROM sagas",
            Operators,
        ),
        (
            ORDERS,
            "INSERT INTO operator_actions \
             (action_id, shard, action, subject_id, entity_id, done_by, time, detail) \
             SELECT saga_id, shard, 'saga.foretold', saga_id, entity_id, 'ada', 1, '{}' FROM sagas",
            Operators,
        ),
    ] {
        let sql = sql.replace("x'01'", "randomblob(16)");
        assert_eq!(violated_by(file, &sql), vec![violated], "{sql}");
    }
}

#[test]
fn a_sample_looks_at_a_part_and_finds_nothing_wrong_where_nothing_is() {
    let folder = Left::behind().copy();
    for wanted in [1, 1_000] {
        let audited = AuditConfig {
            extent: Extent::Sample(wanted),
            ..config(folder.path(), Some(shop::SHARDS))
        };
        let report = run(super::run(&audited)).unwrap();
        assert!(report.holds(), "{report}");
        assert_eq!(report.sample, Some(wanted));
        assert!(report.to_string().contains("a sample of about"), "{report}");
    }
}

#[test]
fn damaged_credit_is_found() {
    use Invariant::{Credit, History, Reservations};
    for (sql, violated) in [
        (
            "UPDATE customers SET reserved_cents = reserved_cents + 1 WHERE name = 'Bob'",
            vec![Credit, History],
        ),
        (
            "UPDATE customers SET credit_limit_cents = 1 WHERE name = 'Ada Park'",
            vec![Credit, History],
        ),
        (
            "DELETE FROM reservations WHERE order_id = (SELECT min(order_id) FROM reservations)",
            vec![Credit, Reservations],
        ),
        (
            "INSERT INTO reservations SELECT randomblob(16), customer_id, 5 FROM customers LIMIT 1",
            vec![Credit, Reservations],
        ),
        // The sum stays right: only its order tells.
        (
            "UPDATE reservations SET order_id = randomblob(16) \
             WHERE order_id = (SELECT min(order_id) FROM reservations)",
            vec![Reservations],
        ),
        (
            "UPDATE reservations SET customer_id = randomblob(16) \
             WHERE order_id = (SELECT min(order_id) FROM reservations)",
            vec![Credit, Reservations],
        ),
    ] {
        assert_eq!(violated_by(CUSTOMERS, sql), violated, "{sql}");
    }
}

#[test]
fn damaged_rows_and_events_are_found() {
    use Invariant::{History, Outbox, Sagas};
    let second = format!("entity_id = {APPROVED} AND version = 2");

    for (sql, violated) in [
        (
            format!("UPDATE orders SET state = 'SHIPPED' WHERE order_id = {APPROVED}"),
            vec![History],
        ),
        (
            format!("UPDATE orders SET note = 'ring once' WHERE order_id = {APPROVED}"),
            vec![History],
        ),
        (
            format!("UPDATE orders SET updated_at = 1 WHERE order_id = {APPROVED}"),
            vec![History],
        ),
        (
            format!("UPDATE orders SET state = 'PENDING' WHERE order_id = {APPROVED}"),
            vec![History, Sagas],
        ),
        (
            format!("UPDATE outbox SET version = 7 WHERE {second}"),
            vec![History],
        ),
        (
            "UPDATE entity_snapshots SET state = replace(state, 'APPROVED', 'SHIPPED')".to_owned(),
            vec![History],
        ),
        (
            "UPDATE entity_snapshots SET version = version + 100".to_owned(),
            vec![History],
        ),
        (
            "UPDATE entity_snapshots SET state = '{'".to_owned(),
            vec![History],
        ),
        (
            format!("UPDATE outbox SET time = 1 WHERE {second}"),
            vec![History],
        ),
        (
            format!("UPDATE outbox SET events = '[{{' WHERE {second}"),
            vec![History],
        ),
        (
            format!(
                "UPDATE outbox SET events = replace(events, 'order.approved', 'order.shipped') \
                 WHERE {second}"
            ),
            vec![History],
        ),
        // Not the newest row of its shard: without that, views would be beyond the outbox.
        (
            "DELETE FROM outbox WHERE (shard, sequence) IN (SELECT o.shard, o.sequence \
                 FROM outbox o WHERE o.version = 2 \
                 AND o.entity_id IN (SELECT order_id FROM orders WHERE state = 'APPROVED') \
                 AND EXISTS (SELECT 1 FROM outbox later \
                 WHERE later.shard = o.shard AND later.sequence > o.sequence) LIMIT 1)"
                .to_owned(),
            vec![History, Outbox],
        ),
    ] {
        assert_eq!(violated_by(ORDERS, &sql), violated, "{sql}");
    }

    let wrong_balance = "UPDATE outbox SET events = \
         replace(events, '\"availableCredit\":{\"amount\":\"10.00\"}', \
         '\"availableCredit\":{\"amount\":\"10.01\"}') \
         WHERE version = 2 AND events LIKE '%\"10.00\"%'";
    assert_eq!(violated_by(CUSTOMERS, wrong_balance), vec![History]);

    // A release may say the limit where it need not, but not another one.
    let saying = |limit: &str| {
        format!(
            "UPDATE outbox SET events = replace(replace(events, '\"v\":1', '\"v\":2'), \
             '\"availableCredit\"', '\"creditLimit\":{{\"amount\":\"{limit}\"}},\"availableCredit\"') \
             WHERE version = 2 AND events LIKE '%\"10.00\"%'"
        )
    };
    assert_eq!(violated_by(CUSTOMERS, &saying("15.00")), Vec::new());
    assert_eq!(violated_by(CUSTOMERS, &saying("15.01")), vec![History]);
}

#[test]
fn damaged_outboxes_and_inboxes_are_found() {
    use Invariant::{Inbox, Outbox, Quarantine};
    for (sql, violated) in [
        (
            "UPDATE outbox SET sequence = sequence + 1 WHERE (shard, sequence) IN \
          (SELECT shard, max(sequence) FROM outbox GROUP BY shard LIMIT 1)",
            Outbox,
        ),
        (
            "UPDATE outbox SET messages = '[' WHERE messages IS NOT NULL",
            Outbox,
        ),
        (
            "UPDATE outbox SET messages = NULL WHERE version IS NULL",
            Outbox,
        ),
        (
            "UPDATE shards SET published = 1000000 WHERE shard = 0",
            Outbox,
        ),
        (
            "UPDATE shards SET pruned = 1000000 WHERE shard IN (SELECT max(shard) FROM outbox)",
            Outbox,
        ),
        (
            "UPDATE outbox SET count = count + 1 WHERE (shard, sequence) IN \
          (SELECT shard, max(sequence) FROM outbox WHERE events IS NOT NULL GROUP BY shard \
           HAVING max(sequence) = (SELECT max(sequence) FROM outbox o WHERE o.shard = outbox.shard))",
            Outbox,
        ),
        (
            "UPDATE inbox SET position = 1000000 \
             WHERE position = (SELECT max(position) FROM inbox)",
            Inbox,
        ),
        (
            "UPDATE inbox SET source_shard = 99 WHERE (shard, source_service, source_shard) = \
          (SELECT shard, source_service, source_shard FROM inbox ORDER BY position DESC LIMIT 1)",
            Inbox,
        ),
    ] {
        let mut found = violated_by(CUSTOMERS, sql);
        // What is parked there lies behind no position any more.
        found.retain(|found| (violated, *found) != (Inbox, Quarantine));
        assert_eq!(found, vec![violated], "{sql}");
    }
}

#[test]
fn rows_that_were_removed_as_received_are_no_gap() {
    // What the journal does when it prunes.
    let folder = Left::behind().copy();
    for sql in [
        "UPDATE shards SET pruned = \
         (SELECT max(sequence) FROM outbox o WHERE o.shard = shards.shard) \
         WHERE shard IN (SELECT shard FROM outbox)",
        "UPDATE outbox SET messages = NULL WHERE events IS NOT NULL AND messages IS NOT NULL",
        "DELETE FROM outbox WHERE events IS NULL",
    ] {
        damage(folder.path(), CUSTOMERS, sql);
    }
    let report = audit(folder.path());
    assert!(report.holds(), "{report}");
}

#[test]
fn messages_that_are_not_received_yet_are_work_in_flight() {
    let folder = Left::behind().copy();
    damage(folder.path(), ORDERS, "DELETE FROM inbox");
    let report = audit(folder.path());
    assert!(
        report.holds() && report.work_in_flight.messages > 0,
        "{report}"
    );
}

#[test]
fn damaged_sagas_are_found() {
    let of_approved = format!("kind = 'create-order' AND entity_id = {APPROVED}");
    for sql in [
        format!("DELETE FROM sagas WHERE {of_approved}"),
        format!("UPDATE sagas SET state = 'COMPENSATED' WHERE {of_approved}"),
        format!("UPDATE sagas SET state = 'RUNNING' WHERE {of_approved}"),
        format!("UPDATE sagas SET data = json_set(data, '$.amountCents', 1) WHERE {of_approved}"),
        "UPDATE sagas SET reason = 'TIMED_OUT' WHERE reason = 'INSUFFICIENT_CREDIT'".to_owned(),
        "UPDATE sagas SET entity_id = randomblob(16) WHERE kind = 'cancel-order'".to_owned(),
        "DELETE FROM sagas WHERE ended_at IS NULL".to_owned(),
        "UPDATE sagas SET state = 'STRANGE' WHERE kind = 'cancel-order'".to_owned(),
        format!("UPDATE sagas SET commands_sent = commands_sent + 1 WHERE {of_approved}"),
        format!("UPDATE sagas SET commands_sent = 0 WHERE {of_approved}"),
        format!("UPDATE sagas SET attempts = attempts + 1 WHERE {of_approved}"),
        "DELETE FROM timers".to_owned(),
        "UPDATE timers SET wake_at = wake_at + 1".to_owned(),
    ] {
        assert_eq!(violated_by(ORDERS, &sql), vec![Invariant::Sagas], "{sql}");
    }
}

#[test]
fn a_parked_message_that_nobody_tries_again_is_a_violation_only_while_a_node_runs() {
    let folder = Left::behind().copy();
    damage(
        folder.path(),
        CUSTOMERS,
        "UPDATE parked_messages SET state = 'WAITING', next_attempt_at = 1",
    );

    let at_rest = audit(folder.path());
    assert!(at_rest.holds(), "{at_rest}");

    let lock = File::create(folder.path().join(LOCK_FILE)).unwrap();
    lock.try_lock().unwrap();
    let running = audit(folder.path());
    let violated: Vec<_> = running.violated().collect();
    assert_eq!(violated, vec![Invariant::Quarantine], "{running}");
    assert!(running.to_string().contains("next attempt"), "{running}");

    // What waits behind another has no time of its own, and what is in quarantine waits for nobody.
    for rest in [
        "next_attempt_at = NULL",
        "state = 'QUARANTINED', next_attempt_at = 1",
    ] {
        let sql = format!("UPDATE parked_messages SET {rest}");
        damage(folder.path(), CUSTOMERS, &sql);
        let report = audit(folder.path());
        assert!(report.holds(), "{report}");
    }
}

#[test]
fn an_overdue_saga_is_a_violation_only_while_a_node_runs() {
    let folder = Left::behind().copy();
    damage(
        folder.path(),
        ORDERS,
        "UPDATE sagas SET deadline = 1 WHERE ended_at IS NULL",
    );

    let at_rest = audit(folder.path());
    assert!(
        at_rest.holds() && !at_rest.node_running && at_rest.work_in_flight.overdue_sagas == 2,
        "{at_rest}"
    );

    let lock = File::create(folder.path().join(LOCK_FILE)).unwrap();
    lock.try_lock().unwrap();
    let running = audit(folder.path());
    assert!(running.node_running, "{running}");

    assert_eq!(
        running.violated().collect::<Vec<_>>(),
        vec![Invariant::Sagas],
        "{running}"
    );
}

#[test]
fn a_running_node_under_load_holds_every_invariant() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let shop = Shop::open(folder.path(), "").await;

        let mut customers = Vec::new();
        for _ in 0..5 {
            customers.push(shop.customer("Ada Park", 20_000).await);
        }

        let orders = join_all((0..600).map(|n| shop.order(customers[n % 5], 250)));
        let config = config(folder.path(), None);

        let audits = async {
            for _ in 0..4 {
                let report = super::run(&config).await.unwrap();
                assert!(report.holds(), "{report}");
            }
        };
        futures_util::future::join(orders, audits).await;

        shop.close().await;
        let report = super::run(&config).await.unwrap();
        assert!(
            report.holds() && report.work_in_flight.open_sagas == 0,
            "{report}"
        );
    });
}

#[test]
fn a_report_says_both_values_and_ends_with_the_verdict() {
    let folder = Left::behind().copy();
    assert!(
        audit(folder.path())
            .to_string()
            .ends_with("all invariants hold\n")
    );

    damage(
        folder.path(),
        ORDERS,
        &format!("UPDATE orders SET state = 'SHIPPED' WHERE order_id = {APPROVED}"),
    );

    let report = audit(folder.path());

    let text = report.to_string();
    assert!(
        text.contains("row state: expected APPROVED, found SHIPPED")
            && text.ends_with("1 violation\n"),
        "{text}"
    );

    let json = report.to_json();
    assert_eq!(
        (&json["holds"], &json["violations"]),
        (&Value::Bool(false), &Value::from(1))
    );

    assert_eq!(
        json["invariants"]["history"]["examples"][0]["found"],
        "SHIPPED"
    );
}
