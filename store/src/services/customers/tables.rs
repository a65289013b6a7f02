//! The tables of the customers service, one SeaORM entity each.

#![expect(
    clippy::disallowed_methods,
    reason = "SeaORM's derive writes methods that open transactions; nothing calls them"
)]

pub mod customer;
pub mod reservation;

crate::journaled!(
    customer, customer_id,
    fixed: [Name, CreatedAt, RequestFingerprint]
);
crate::journaled!(reservation, order_id, fixed: []);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row_changes::Journaled;

    #[test]
    fn the_name_of_a_customer_is_written_once() {
        let table = customer::Model::table();
        assert_eq!(
            table.update,
            "UPDATE customers SET credit_limit_cents = ?, reserved_cents = ?, version = ?, \
            updated_at = ?, limit_corrected_at = ?, remembered_keys = ? \
            WHERE customer_id = ? AND version = ?"
        );
        assert_eq!(
            table.version,
            Some(2),
            "credit_limit_cents, reserved_cents, version"
        );
    }

    #[test]
    fn a_reservation_has_no_version() {
        let table = reservation::Model::table();
        assert_eq!(
            table.insert,
            "INSERT INTO reservations (order_id, customer_id, amount_cents) VALUES (?, ?, ?)"
        );
        assert_eq!(table.delete, "DELETE FROM reservations WHERE order_id = ?");
        assert_eq!(table.version, None);
    }
}
