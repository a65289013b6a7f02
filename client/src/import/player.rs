//! Sends one line to the node and waits until what it began has ended.
//!
//! An order waits for its saga and a cancel for its own, by asking again with the same key, so that
//! the next line of the customer meets the sequential result. A refusal to ship or cancel (`409`)
//! is an outcome, not an error. The schedule decides which line goes when.

use std::time::Duration;

use domain::Money;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::book::OrderState;
use super::line::OrderLine;
use crate::ClientError;
use crate::http::{Node, NodeAnswer};

/// How long one request asks a node to wait: the node's default cap.
const WAIT: Duration = Duration::from_secs(30);
/// A saga ends within its deadline (10 minutes by default) plus an outage; what takes longer needs
/// a person.
const SAGA_PATIENCE: Duration = Duration::from_secs(20 * 60);
const CONFLICT: u16 = 409;

/// A line with its references resolved.
#[derive(Debug, PartialEq)]
pub enum Command {
    OpenCustomer {
        reference: String,
        name: String,
        credit_limit: Money,
    },
    PlaceOrder {
        reference: String,
        customer_id: Uuid,
        lines: Vec<OrderLine>,
        note: Option<String>,
    },
    Cancel {
        reference: String,
        order_id: Uuid,
    },
    Ship {
        reference: String,
        order_id: Uuid,
    },
}

/// What became of it.
#[derive(Debug)]
pub struct Played {
    /// What it has changed, or that the node has refused it.
    pub effect: Effect,
    /// A read that carries it shows the outcome. A refusal has changed nothing and has none.
    pub token: Option<String>,
}

/// What a line has changed. `reference` is the file's name for an order, `id` the node's.
#[derive(Debug)]
pub enum Effect {
    CustomerOpened {
        id: Uuid,
    },
    OrderPlaced {
        reference: String,
        id: Uuid,
        state: OrderState,
        reason: Option<String>,
        took: Duration,
    },
    OrderCancelled {
        reference: String,
        id: Uuid,
        state: OrderState,
    },
    OrderShipped {
        reference: String,
        id: Uuid,
        state: OrderState,
    },
    CancelRefused,
    ShipRefused,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomerAnswer {
    customer_id: Uuid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderAnswer {
    order_id: Uuid,
    state: OrderState,
    rejection_reason: Option<String>,
}

/// Plays one line to its end.
pub async fn play(node: &Node, command: Command) -> Result<Played, ClientError> {
    match command {
        Command::OpenCustomer {
            reference,
            name,
            credit_limit,
        } => open_customer(node, &reference, &name, credit_limit).await,
        Command::PlaceOrder {
            reference,
            customer_id,
            lines,
            note,
        } => {
            let mut body = json!({ "customerId": customer_id, "lines": lines });
            if let (Some(note), Some(fields)) = (note, body.as_object_mut()) {
                fields.insert("note".to_owned(), Value::String(note));
            }
            place_order(node, reference, &body).await
        }
        Command::Cancel {
            reference,
            order_id,
        } => cancel(node, reference, order_id).await,
        Command::Ship {
            reference,
            order_id,
        } => ship(node, reference, order_id).await,
    }
}

async fn open_customer(
    node: &Node,
    reference: &str,
    name: &str,
    credit_limit: Money,
) -> Result<Played, ClientError> {
    let body = json!({ "name": name, "creditLimit": credit_limit });
    let mut answer = node.post(&["customers"], &body, reference, None).await?;
    let token = answer.token.take();
    let customer: CustomerAnswer = answer.read()?;

    Ok(Played {
        effect: Effect::CustomerOpened {
            id: customer.customer_id,
        },
        token,
    })
}

async fn place_order(node: &Node, reference: String, body: &Value) -> Result<Played, ClientError> {
    let started = Instant::now();
    let (order, token) =
        post_until_ended(node, &["orders"], body, &reference, OrderState::Pending).await?;
    let took = started.elapsed();
    let effect = Effect::OrderPlaced {
        reference,
        id: order.order_id,
        state: order.state,
        reason: order.rejection_reason,
        took,
    };
    Ok(Played { effect, token })
}

/// The order's reference serves as the key here too: a key is scoped to method and path, and the
/// path names the order and the verb.
async fn cancel(node: &Node, reference: String, order_id: Uuid) -> Result<Played, ClientError> {
    let id = order_id.to_string();

    match post_until_ended(
        node,
        &["orders", &id, "cancel"],
        &Value::Null,
        &reference,
        OrderState::CancelPending,
    )
    .await
    {
        Ok((order, token)) => Ok(Played {
            effect: Effect::OrderCancelled {
                reference,
                id: order_id,
                state: order.state,
            },
            token,
        }),
        Err(error) if error.status() == Some(CONFLICT) => Ok(Played {
            effect: Effect::CancelRefused,
            token: None,
        }),
        Err(error) => Err(error),
    }
}

async fn ship(node: &Node, reference: String, order_id: Uuid) -> Result<Played, ClientError> {
    let id = order_id.to_string();

    match node
        .post(&["orders", &id, "ship"], &Value::Null, &reference, None)
        .await
    {
        Ok(mut answer) => {
            let token = answer.token.take();
            let order: OrderAnswer = answer.read()?;
            Ok(Played {
                effect: Effect::OrderShipped {
                    reference,
                    id: order_id,
                    state: order.state,
                },
                token,
            })
        }
        Err(error) if error.status() == Some(CONFLICT) => Ok(Played {
            effect: Effect::ShipRefused,
            token: None,
        }),
        Err(error) => Err(error),
    }
}

/// Sends a command, and sends it again under its key, until its order has left the state in which
/// its saga is under way.
async fn post_until_ended(
    node: &Node,
    path: &[&str],
    body: &Value,
    key: &str,
    under_way: OrderState,
) -> Result<(OrderAnswer, Option<String>), ClientError> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(20);

    loop {
        let asked = Instant::now();
        let mut answer: NodeAnswer = node.post(path, body, key, Some(WAIT)).await?;
        let (status, token) = (answer.status, answer.token.take());
        let order: OrderAnswer = answer.read()?;
        if order.state != under_way && status != StatusCode::ACCEPTED {
            return Ok((order, token));
        }
        if started.elapsed() > SAGA_PATIENCE {
            let state = if under_way == OrderState::Pending {
                "PENDING"
            } else {
                "CANCEL_PENDING"
            };
            let what = format!("order {} (ref {key:?})", order.order_id);
            return Err(ClientError::StillPending {
                what,
                state: state.to_owned(),
                seconds: started.elapsed().as_secs(),
            });
        }
        // A node that drains, or is set to a short wait, answers early: do not ask it in a tight
        // loop.
        if asked.elapsed() < Duration::from_secs(1) {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}
