//! Makes sure that the views show what was written: reads that carry the consistency tokens of the
//! writes.
//!
//! It keeps tokens until a read confirms them, many at once. When many have gathered it confirms
//! some while the import runs, so that their number is bounded. It reads each batch from every kind
//! of view: a customer, an order, a search.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::try_join3;
use uuid::Uuid;

use crate::ClientError;
use crate::http::{Freshness, Node};

/// Tokens that may wait for the end of the import.
const KEPT: usize = 10_000;
/// Beyond this the import itself waits for the views.
const MOST_KEPT: usize = 2 * KEPT;
/// A node reads more, but what stands before it may take no header of more than 8 KiB.
const MOST_TOKEN_BYTES: usize = 7 * 1024;
const WAIT: Duration = Duration::from_secs(30);

/// A write not yet seen in the views.
#[derive(Debug)]
pub struct Written {
    /// The consistency token of the node's answer.
    pub token: String,
    /// Whose line it was.
    pub customer_id: Uuid,
    /// Absent when the line was the customer's own.
    pub order_id: Option<Uuid>,
}

/// What one round of reads confirms.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    tokens: String,
    customer_id: Uuid,
    order_id: Option<Uuid>,
}

/// The writes that no read has confirmed yet, oldest first.
#[derive(Debug, Default)]
pub struct Unconfirmed {
    writes: VecDeque<Written>,
}

impl Unconfirmed {
    /// Adds the newest write.
    pub fn push(&mut self, written: Written) {
        self.writes.push_back(written);
    }

    /// Whether to confirm some now, without waiting for the end.
    pub fn is_long(&self) -> bool {
        self.writes.len() > KEPT
    }

    /// Whether the import must confirm some before it writes more.
    pub fn is_full(&self) -> bool {
        self.writes.len() >= MOST_KEPT
    }

    /// The oldest writes, as many as one read can carry.
    pub fn take_batch(&mut self) -> Option<Batch> {
        let first = self.writes.pop_front()?;
        let mut batch = Batch {
            tokens: first.token,
            customer_id: first.customer_id,
            order_id: first.order_id,
        };

        while let Some(next) = self.writes.front() {
            if batch.tokens.len() + 1 + next.token.len() > MOST_TOKEN_BYTES {
                break;
            }
            batch.tokens.push(',');
            batch.tokens.push_str(&next.token);
            batch.order_id = batch.order_id.or(next.order_id);
            self.writes.pop_front();
        }

        Some(batch)
    }
}

/// Reads a customer, an order and the search at least as fresh as the batch.
pub async fn confirm(node: &Node, batch: &Batch) -> Result<(), ClientError> {
    let freshness = Freshness::AtLeast {
        token: batch.tokens.clone(),
        wait: WAIT,
    };

    let customer_id = batch.customer_id.to_string();

    let order = async {
        match batch.order_id {
            Some(id) => node
                .get(&["orders", &id.to_string()], &[], &freshness)
                .await
                .map(drop),
            None => Ok(()),
        }
    };

    let customer = async {
        node.get(&["customers", &customer_id], &[], &freshness)
            .await
            .map(drop)
    };
    // Any search will do: the search view answers it, and only once it has reached the tokens.
    let search = async {
        let query = [
            ("text", "counterfoil"),
            ("customerId", customer_id.as_str()),
            ("limit", "1"),
        ];
        node.get(&["orders"], &query, &freshness).await.map(drop)
    };
    try_join3(customer, order, search).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_carries_many_tokens_but_no_more_than_a_header_may() {
        let mut unconfirmed = Unconfirmed::default();

        for number in 0..100 {
            let order_id = (number > 0).then(Uuid::now_v7);
            unconfirmed.push(Written {
                token: format!("{number:0>100}"),
                customer_id: Uuid::nil(),
                order_id,
            });
        }

        let mut seen = 0;

        while let Some(batch) = unconfirmed.take_batch() {
            assert!(batch.tokens.len() <= MOST_TOKEN_BYTES && batch.order_id.is_some());
            for token in batch.tokens.split(',') {
                assert_eq!(
                    token,
                    format!("{seen:0>100}"),
                    "oldest first, none left out"
                );
                seen += 1;
            }
        }

        assert_eq!(seen, 100);
    }
}
