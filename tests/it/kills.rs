//! `kill -9` under load: what the node answered is there, callers can repeat the rest, and the
//! books balance after every restart.
//!
//! `COUNTERFOIL_TEST_KILLS` says how often the node is killed; 5 by default.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use tests::{Api, Call, Node, Response, in_state};

use crate::books;

const CALLERS: usize = 6;
/// A caller sends at most this many commands between two kills: the kill always comes while they
/// are under way.
const COMMANDS_EACH: usize = 2_000;
/// One customer who can pay for everything, two who soon cannot, and one who never can.
const LIMITS: [&str; 4] = ["1000000.00", "500.00", "50.00", "0.00"];
const TOTALS: [&str; 3] = ["5.00", "0.07", "12.34"];

#[derive(Clone)]
enum Intent {
    Order {
        customer: String,
        total: &'static str,
    },
    Cancel {
        order: String,
    },
}

#[derive(Clone)]
struct Attempt {
    key: String,
    intent: Intent,
    /// `None` when no answer came or a 5xx: the command may or may not have happened.
    answer: Option<Response>,
}

impl Attempt {
    fn call(&self, api: &Api) -> Call {
        let call = match &self.intent {
            Intent::Order { customer, total } => api.new_order(customer, total),
            Intent::Cancel { order } => api.cancel(order),
        };
        call.key(&self.key)
    }
}

/// What the callers have sent so far.
#[derive(Default)]
struct Load {
    attempts: Mutex<Vec<Attempt>>,
    answered: AtomicUsize,
}

impl Load {
    fn record(&self, attempt: Attempt) {
        if attempt.answer.is_some() {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        self.attempts
            .lock()
            .expect("no caller panicked")
            .push(attempt);
    }

    fn attempts(&self) -> Vec<Attempt> {
        self.attempts.lock().expect("no caller panicked").clone()
    }
}

#[tokio::test]
async fn nothing_answered_is_lost_and_nothing_happens_twice_when_the_node_is_killed() {
    let kills = std::env::var("COUNTERFOIL_TEST_KILLS")
        .map_or(5, |kills| kills.parse().expect("a number of kills"));
    survives(Node::start().await, kills).await;
}

/// Kills the node `kills` times under load; asserts after each restart, and in the end, that
/// everything holds.
pub async fn survives(mut node: Node, kills: usize) {
    let mut customers = Vec::new();
    for (number, limit) in LIMITS.iter().enumerate() {
        customers.push(
            node.api()
                .create_customer(&format!("Customer {number}"), limit)
                .await
                .id,
        );
    }
    let mut orders = BTreeSet::new();
    let mut cancelled = BTreeSet::new();

    for round in 0..kills {
        let attempts = load_until_killed(&mut node, &customers, round).await;
        node.restart().await;
        node.cli().run(&["verify"]).await.succeeded();
        let answers = repeat(&node.api(), attempts).await;
        for (attempt, answer) in answers {
            match attempt.intent {
                Intent::Order { .. } => {
                    orders.insert(answer.is(201).str("orderId").to_owned());
                }
                Intent::Cancel { order } if answer.status == 200 || answer.status == 202 => {
                    cancelled.insert(order);
                }
                Intent::Cancel { .. } => answer.is_problem(409),
            }
        }
    }

    let api = node.api();
    let books = books::balance(&api, &customers).await;
    let states: BTreeMap<String, &str> = books
        .values()
        .flatten()
        .map(|order| {
            (
                order["orderId"].as_str().unwrap_or_default().to_owned(),
                order["state"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        states.keys().cloned().collect::<BTreeSet<_>>(),
        orders,
        "orders lost or made twice"
    );
    assert!(
        books
            .values()
            .flatten()
            .all(|order| in_state(order, &["APPROVED", "REJECTED", "CANCELLED"])),
        "{states:?}"
    );
    for (order, state) in &states {
        assert_eq!(
            *state == "CANCELLED",
            cancelled.contains(order),
            "{order} is {state}"
        );
    }
    assert!(
        books[&customers[3]]
            .iter()
            .all(|order| in_state(order, &["REJECTED"])),
        "credit out of nothing"
    );
    books::audit(node).await;
}

/// Sends commands from all callers, kills the node in the middle, and gives what was sent.
async fn load_until_killed(node: &mut Node, customers: &[String], round: usize) -> Vec<Attempt> {
    let load = Arc::new(Load::default());
    let callers = (0..CALLERS).map(|caller| {
        let (api, load, customers) = (node.api(), load.clone(), customers.to_vec());
        tokio::spawn(async move {
            send(
                &api,
                &load,
                &customers,
                &format!("round{round}-caller{caller}"),
                caller,
            )
            .await
        })
    });

    let callers: Vec<_> = callers.collect();
    // not at the same point of the work in every round
    let enough = 20 + round * 37 % 100;

    tests::eventually("the load is under way", async || {
        (load.answered.load(Ordering::Relaxed) >= enough).then_some(())
    })
    .await;

    node.kill();

    for caller in callers {
        caller.await.expect("no caller panicked");
    }

    load.attempts()
}

/// One caller: orders in turn for all customers, every seventh approved one cancelled again; ends
/// when the node is gone.
async fn send(api: &Api, load: &Load, customers: &[String], name: &str, offset: usize) {
    for number in 0..COMMANDS_EACH {
        let intent = Intent::Order {
            customer: customers[(offset + number) % customers.len()].clone(),
            total: TOTALS[number % TOTALS.len()],
        };

        let attempt = Attempt {
            key: format!("{name}-order{number}"),
            intent,
            answer: None,
        };
        let call = attempt.call(api);

        let cancels = number % 7 == 0;
        let Some(answer) = tried(load, attempt, if cancels { call.wait(10) } else { call }).await
        else {
            return;
        };

        if cancels && answer.json["state"] == "APPROVED" {
            let intent = Intent::Cancel {
                order: answer.str("orderId").to_owned(),
            };
            let attempt = Attempt {
                key: format!("{name}-cancel{number}"),
                intent,
                answer: None,
            };
            let call = attempt.call(api);
            if tried(load, attempt, call).await.is_none() {
                return;
            }
        }
    }
}

/// Sends and records one command; `None` when the node is gone.
async fn tried(load: &Load, mut attempt: Attempt, call: Call) -> Option<Response> {
    let answer = call.answer().await.ok();
    attempt.answer = answer.clone().filter(|answer| answer.status < 500);
    load.record(attempt);
    answer
}

/// Repeats every command with its key: those without an answer until they have one, those with one
/// to be told the same.
async fn repeat(api: &Api, attempts: Vec<Attempt>) -> Vec<(Attempt, Response)> {
    let mut answers = Vec::new();

    // in portions, so that the repeats are no overload of their own
    for portion in attempts.chunks(32) {
        let repeats = join_all(
            portion
                .iter()
                .map(|attempt| books::accepted(attempt.call(api))),
        )
        .await;

        for (attempt, repeated) in portion.iter().zip(repeats) {
            if let Some(first) = &attempt.answer {
                for field in ["orderId", "sagaId"] {
                    assert_eq!(
                        repeated.json[field], first.json[field],
                        "{}: {}",
                        attempt.key, repeated.text
                    );
                }
            }
            answers.push((attempt.clone(), repeated));
        }
    }
    answers
}
