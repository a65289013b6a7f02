//! Sagas that were given up: who has done it is kept, and their last word is missed when it is
//! lost.
//!
//! How it is tested: a saga that has ended in order is made one that was given up, and the credit
//! that it has released is held again.

use super::*;

/// A cancel-order saga that has ended, its order, and the row that has sent its release.
struct Cancel {
    saga: Uuid,
    order: Uuid,
    released_in: (i32, i64),
}

impl Cancel {
    /// Looks for it in what a node has left behind, and makes it one that was given up, whose
    /// customer has the credit still.
    fn given_up(folder: &Path) -> Self {
        let orders = Connection::open(folder.join(ORDERS)).unwrap();
        let sql = "SELECT saga_id, entity_id FROM sagas WHERE kind = 'cancel-order' LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let (saga, order): ([u8; 16], [u8; 16]) = orders.query_row(sql, [], read).unwrap();
        let (saga, order) = (Uuid::from_bytes(saga), Uuid::from_bytes(order));

        let sql = "SELECT shard, sequence FROM outbox WHERE correlation_id = ?1 \
                   AND messages LIKE '%release-credit%' ORDER BY sequence LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let released_in = orders.query_row(sql, [saga.as_bytes().as_slice()], read);
        let released_in = released_in.unwrap();

        let sql = "UPDATE sagas SET state = 'ABANDONED' WHERE saga_id = ?1";
        orders.execute(sql, [saga.as_bytes().as_slice()]).unwrap();
        let sql = "SELECT customer_id, total_cents FROM orders WHERE order_id = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let (customer, cents): ([u8; 16], i64) = orders
            .query_row(sql, [order.as_bytes().as_slice()], read)
            .unwrap();

        let customers = Connection::open(folder.join(CUSTOMERS)).unwrap();
        let held = "INSERT INTO reservations (order_id, customer_id, amount_cents) \
                    VALUES (?1, ?2, ?3)";
        let row = (order.as_bytes().as_slice(), customer.as_slice(), cents);
        customers.execute(held, row).unwrap();
        Cancel {
            saga,
            order,
            released_in,
        }
    }

    /// Sends the release once more, behind everything else, as that of `saga`. Nobody reads it.
    fn sends_as(&self, folder: &Path, saga: Uuid) {
        let orders = Connection::open(folder.join(ORDERS)).unwrap();
        // Messages belong to the saga that their row is part of.
        let sql = "INSERT INTO outbox \
                   (shard, sequence, count, entity_id, version, correlation_id, time, events, messages) \
                   SELECT shard, (SELECT max(sequence) + 100 FROM outbox WHERE shard = ?1), count, \
                   entity_id, NULL, ?3, time, NULL, messages \
                   FROM outbox WHERE shard = ?1 AND sequence = ?2";
        let (shard, sequence) = self.released_in;
        let row = (shard, sequence, saga.as_bytes().as_slice());
        assert_eq!(orders.execute(sql, row).unwrap(), 1);
    }

    /// Somebody has given it up.
    fn is_kept(&self, folder: &Path) {
        let orders = Connection::open(folder.join(ORDERS)).unwrap();
        let sql = "INSERT INTO operator_actions \
                   (action_id, shard, action, subject_id, entity_id, done_by, time, detail) \
                   VALUES (randomblob(16), ?3, 'saga.abandoned', ?1, ?2, 'ada', 1, '{}')";
        let row = (
            self.saga.as_bytes().as_slice(),
            self.order.as_bytes().as_slice(),
            ShardId::of(domain::ORDERS, self.order, shop::SHARDS).number,
        );
        orders.execute(sql, row).unwrap();
    }
}

#[test]
fn a_lost_last_word_is_not_excused_by_what_others_have_in_flight() {
    let lacks_its_release = |report: &Report| {
        let violated: Vec<_> = report.violated().collect();
        violated.contains(&Invariant::Reservations)
    };
    let folder = Left::behind().copy();
    let cancel = Cancel::given_up(folder.path());
    let report = audit(folder.path());
    assert!(lacks_its_release(&report), "{report}");

    // Another saga's message is on its way between the same two shards, to the same customer.
    cancel.sends_as(folder.path(), Uuid::from_u128(7));
    let report = audit(folder.path());
    assert_eq!(report.work_in_flight.messages, 1, "{report}");
    assert!(lacks_its_release(&report), "{report}");

    // Its own is.
    cancel.sends_as(folder.path(), cancel.saga);
    let report = audit(folder.path());
    assert_eq!(report.work_in_flight.unsettled_sagas, 1, "{report}");
    assert!(!lacks_its_release(&report), "{report}");
}

#[test]
fn a_saga_that_was_given_up_by_nobody_is_found() {
    let folder = Left::behind().copy();
    let cancel = Cancel::given_up(folder.path());
    let report = audit(folder.path());
    let violated: Vec<_> = report.violated().collect();
    assert!(violated.contains(&Invariant::Operators), "{report}");
    assert!(
        report
            .to_string()
            .contains("that of whoever has given it up"),
        "{report}"
    );

    cancel.is_kept(folder.path());
    let report = audit(folder.path());
    let violated: Vec<_> = report.violated().collect();
    assert!(!violated.contains(&Invariant::Operators), "{report}");
}
