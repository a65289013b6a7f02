//! One caller: sends an order, reads it back as a document or by search, and judges what it sees.

use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::load::connection::Connection;
use crate::load::customers::CustomerId;
use crate::load::options::Target;
use crate::load::template::Template;

const TIMEOUT: Duration = Duration::from_secs(60);
const ATTEMPTS: u32 = 50;

/// An order that was acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The order's id.
    pub order_id: String,
    /// Its customer.
    pub customer: CustomerId,
    /// The version that the answer named.
    pub version: u64,
    /// Whole header lines, to wait for it.
    pub waiting: String,
}

/// What a read has shown of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// At least the version acknowledged.
    Whole,
    /// An older version, or nothing.
    Less,
    /// The node has said that the view is behind.
    Behind,
    /// Anything else.
    Failed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderAnswer<'a> {
    order_id: &'a str,
    version: u64,
}

/// An order as queries show it, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderShown {
    order_id: String,
    version: u64,
}

#[derive(Deserialize)]
struct Found {
    orders: Vec<OrderShown>,
}

/// Sends orders of one customer.
pub struct Sender {
    connection: Connection,
    template: Template,
    customer: CustomerId,
}

impl Sender {
    /// A sender of orders of this customer.
    #[must_use]
    pub fn new(target: &Target, template: Template, customer: CustomerId) -> Self {
        Sender {
            connection: Connection::new(target, TIMEOUT),
            template,
            customer,
        }
    }

    /// Sends one order and gives what its answer says.
    pub async fn send(&mut self) -> anyhow::Result<Acknowledged> {
        for _ in 0..ATTEMPTS {
            let answer = self
                .connection
                .exchange(self.template.fill(&self.customer, 0))
                .await?;
            match answer.status() {
                201 => {
                    let OrderAnswer { order_id, version } =
                        serde_json::from_slice(answer.body()).context("unreadable new order")?;

                    let waiting = format!(
                        "Consistency-Token: {}\r\nPrefer: wait=30\r\n",
                        answer.token()
                    );

                    let (order_id, customer) = (order_id.to_owned(), self.customer);
                    return Ok(Acknowledged {
                        order_id,
                        customer,
                        version,
                        waiting,
                    });
                }
                503 => tokio::time::sleep(Duration::from_millis(100)).await,
                status => bail!(
                    "an order is refused: {status} {}",
                    String::from_utf8_lossy(answer.body())
                ),
            }
        }
        bail!("an order was sent {ATTEMPTS} times; the node is busy")
    }
}

/// Reads orders back.
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// A reader with a connection of its own.
    #[must_use]
    pub fn new(target: &Target) -> Self {
        Reader {
            connection: Connection::new(target, TIMEOUT),
        }
    }

    /// By its id, from the document view; `headers` are whole lines.
    pub async fn document(&mut self, order: &Acknowledged, headers: &str) -> anyhow::Result<Shown> {
        let answer = self
            .connection
            .get(&format!("/orders/{}", order.order_id), headers)
            .await?;
        let shown = || serde_json::from_slice::<OrderShown>(answer.body()).ok();
        Ok(judge(answer.status(), order, shown))
    }

    /// By search: the newest order of its customer, who has no other caller.
    pub async fn search(&mut self, order: &Acknowledged, headers: &str) -> anyhow::Result<Shown> {
        let path = format!(
            "/orders?customerId={}&sort=newest&limit=1",
            order.customer.as_str()
        );
        let answer = self.connection.get(&path, headers).await?;

        let shown = || {
            serde_json::from_slice::<Found>(answer.body())
                .ok()?
                .orders
                .into_iter()
                .next()
        };
        // Search answers 200 with what it has; that the order is not there yet is less, not a
        // failure.
        Ok(judge(answer.status(), order, shown))
    }
}

fn judge(status: u16, order: &Acknowledged, shown: impl FnOnce() -> Option<OrderShown>) -> Shown {
    match status {
        200 => {
            let whole = |shown: OrderShown| {
                shown.order_id == order.order_id && shown.version >= order.version
            };
            if shown().is_some_and(whole) {
                Shown::Whole
            } else {
                Shown::Less
            }
        }
        404 => Shown::Less,
        503 => Shown::Behind,
        _ => Shown::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_shows_an_older_version_or_another_order_is_stale() {
        let customer = "0191e3a0-0000-7000-8000-00000000002a".parse().unwrap();

        let order = Acknowledged {
            order_id: "a".to_owned(),
            customer,
            version: 2,
            waiting: String::new(),
        };

        let shown = |order_id: &str, version| {
            Some(OrderShown {
                order_id: order_id.to_owned(),
                version,
            })
        };
        assert_eq!(judge(200, &order, || shown("a", 2)), Shown::Whole);
        assert_eq!(judge(200, &order, || shown("a", 3)), Shown::Whole);
        assert_eq!(judge(200, &order, || shown("a", 1)), Shown::Less);
        assert_eq!(judge(200, &order, || shown("b", 9)), Shown::Less);
        assert_eq!(judge(200, &order, || None), Shown::Less);
        assert_eq!(judge(404, &order, || None), Shown::Less);
        assert_eq!(judge(503, &order, || None), Shown::Behind);
        assert_eq!(judge(500, &order, || None), Shown::Failed);
    }
}
