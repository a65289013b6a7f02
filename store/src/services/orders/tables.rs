//! The table of the orders service, as a SeaORM entity.

#![expect(
    clippy::disallowed_methods,
    reason = "SeaORM's derive writes methods that open transactions; nothing calls them"
)]

pub mod order;

crate::journaled!(
    order, order_id,
    fixed: [CustomerId, TotalCents, CreatedAt, Lines, Note, RequestFingerprint]
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row_changes::Journaled;

    #[test]
    fn lines_and_note_are_written_once() {
        let update = &order::Model::table().update;
        assert!(
            !update.contains("lines")
                && !update.contains("note")
                && update.contains("remembered_keys"),
            "{update}"
        );
    }
}
