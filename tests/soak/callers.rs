//! Callers: each does one thing, as its manner is, and notes what it was told.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Api, Call, Response};
use uuid::Uuid;

use crate::asking::{Heard, ask};
use crate::ledger::{Kind, Shown, id};
use crate::plan::{Act, Deed, Manner, name_of, note_of};
use crate::readers;
use crate::world::World;

/// A caller that comes back lets so much time go by.
const PAUSE: Duration = Duration::from_millis(300);

const TOKEN: &str = "consistency-token";
/// Nobody is more patient, having hung up before.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60);
/// The id of a customer that does not exist.
const NOBODY: Uuid = Uuid::from_u128(0x4000_8000_0000_0000_0001);

/// Creates a customer, however long it takes.
pub async fn create_customer(world: Arc<World>, number: usize, cents: i64) {
    let name = name_of(world.plan.seed, number);
    let what = format!("customer {number}");
    let entry = world.ledger().begin(Kind::Customer, None);
    loop {
        if let Some(api) = world.api() {
            let call = api.new_customer(&name, &amount(cents)).key(&name);
            match ask(&world, &what, call, 0, Duration::MAX).await {
                Heard::Answer(answer) if answer.status == 201 => {
                    let id = id(&answer.json["customerId"]).expect("an id");
                    let wrong = world.ledger().accept(entry, id, version_of(&answer));
                    wrong.iter().for_each(|wrong| world.violated(wrong));
                    world.tell(&format!("{what} is there: {id}"));
                    world.welcome(number, id, answer.header(TOKEN));
                    return;
                }
                Heard::Answer(answer) => {
                    world.violated(&format!("{what}: {} {}", answer.status, answer.text));
                    return;
                }
                Heard::Nothing(why) => world.tell(&format!("{what} {why}")),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn amount(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn version_of(answer: &Response) -> u64 {
    answer.json["version"].as_u64().unwrap_or(0)
}

/// What a caller sends, as often as it must.
pub struct Task {
    act: Act,
    kind: Kind,
    /// In the ledger.
    number: usize,
    path: String,
    body: Option<Value>,
    key: Option<String>,
    customer: Option<Uuid>,
}

/// Does what an act says; gives what was sent, if it was.
pub async fn act(world: Arc<World>, act: Act) -> Option<Task> {
    tokio::time::sleep_until(world.at(act.at)).await;
    let task = Task::of(&world, &act).await;
    let is_settled = match &task {
        Some(task) => task.is_settled(&world).await,
        None => false,
    };
    world.ends(act.number);

    if let Some(task) = task.as_ref().filter(|_| is_settled && act.manner.again) {
        task.comes_again(&world).await;
    }
    task
}

impl Task {
    /// `None` when what it is about is not known.
    async fn of(world: &World, act: &Act) -> Option<Self> {
        let seed = world.plan.seed;
        let (kind, entity, path) = match act.what {
            Deed::Order { .. } | Deed::Unknown { .. } => (Kind::Order, None, "/orders".to_owned()),
            Deed::Nonsense { .. } => (Kind::Nonsense, None, "/orders".to_owned()),
            Deed::Cancel { order } => {
                let order = world.order_of(order).await?;
                (Kind::Cancel, Some(order), format!("/orders/{order}/cancel"))
            }
            Deed::Ship { order } => {
                let order = world.order_of(order).await?;
                (Kind::Ship, Some(order), format!("/orders/{order}/ship"))
            }
            Deed::StopSaga { order } => {
                let order = world.order_of(order).await?;
                let saga = *world.ledger().sagas.get(&order)?;
                (Kind::StopSaga, Some(order), format!("/sagas/{saga}/cancel"))
            }
        };

        let customer = match act.what {
            Deed::Order { buyer, .. } | Deed::Nonsense { buyer } => Some(world.buyer(buyer).await),
            _ => None,
        };
        Some(Task {
            number: world.begin(act.number, kind, entity),
            act: act.clone(),
            kind,
            path,
            body: body(&act.what, customer, &note_of(seed, act.number)),
            key: act.manner.key.then(|| format!("act-{seed}-{}", act.number)),
            customer,
        })
    }

    /// Comes again with its key, if it has one, and must be told the same.
    pub async fn comes_again(&self, world: &World) {
        if self.key.is_none() {
            return;
        }
        world.tell(&format!("caller {} comes again", self.act.number));
        self.is_settled(world).await;
    }

    /// What was refused has left no trace: its key is free for another order.
    pub fn with_sense(&self, world: &World) -> Option<Task> {
        let (Kind::Nonsense, Some(key)) = (self.kind, &self.key) else {
            return None;
        };
        let note = note_of(world.plan.seed, self.act.number);
        Some(Task {
            number: world.begin(self.act.number, Kind::Order, None),
            act: self.act.clone(),
            kind: Kind::Order,
            path: self.path.clone(),
            body: Some(order_of(self.customer?, 1, &note)),
            key: Some(key.clone()),
            customer: self.customer,
        })
    }

    fn call(&self, api: &Api) -> Call {
        let call = api.call(Method::POST, &self.path);
        let call = match &self.body {
            Some(body) => call.json(body.clone()),
            None => call,
        };
        match &self.key {
            Some(key) => call.key(key),
            None => call,
        }
    }

    /// Asks until there is an answer, or once without a key. Whether there was one.
    async fn is_settled(&self, world: &World) -> bool {
        let Manner { wait, patience, .. } = self.act.manner;
        let what = format!("caller {}", self.act.number);
        let mut patience = patience;

        loop {
            if let Some(api) = world.api() {
                match ask(world, &what, self.call(&api), wait, patience).await {
                    Heard::Answer(answer) => {
                        self.hear(world, &answer).await;
                        return true;
                    }
                    Heard::Nothing(why) => {
                        world.ledger().nobody_knows(self.number);
                        world.tell(&format!("{what} {why}"));
                        patience = patience.saturating_mul(3).min(LONGEST_PATIENCE);
                    }
                }
            }
            if self.key.is_none() {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn hear(&self, world: &World, answer: &Response) {
        let what = format!("caller {} ({:?})", self.act.number, self.kind);
        let (status, json) = (answer.status, &answer.json);
        world.tell(&format!("{what}: {status} {}", summary(answer)));

        let may_be = match self.kind {
            Kind::Customer | Kind::Order => status == 201,
            Kind::Nonsense => status == 400,
            Kind::Cancel | Kind::Ship => matches!(status, 200 | 202 | 409),
            Kind::StopSaga => matches!(status, 202 | 409),
        };
        if !may_be {
            world.violated(&format!("{what}: {status} {}", answer.text));
        }

        if status >= 400 {
            return;
        }
        if self.kind == Kind::StopSaga {
            self.accepted(world, self.entity(world), 0);
            return;
        }
        let Some(order) = id(&json["orderId"]) else {
            world.violated(&format!("{what}: no order in {}", answer.text));
            return;
        };
        self.accepted(world, Some(order), version_of(answer));
        self.show(world, answer, order).await;
    }

    fn entity(&self, world: &World) -> Option<Uuid> {
        world.ledger().entries[self.number].entity
    }

    fn accepted(&self, world: &World, entity: Option<Uuid>, version: u64) {
        let Some(entity) = entity else { return };
        let wrong = world.ledger().accept(self.number, entity, version);
        wrong.iter().for_each(|wrong| world.violated(wrong));
    }

    /// What the caller has seen: the answer, and the customer whose id it knows.
    fn token(&self, world: &World, answer: &Response) -> String {
        let ledger = world.ledger();
        let customer = self.customer.and_then(|customer| ledger.token_of(customer));
        let tokens = [Some(answer.header(TOKEN)), customer];
        tokens.into_iter().flatten().collect::<Vec<_>>().join(",")
    }

    /// Notes what the answer shows of the order, and reads it back if that is the caller's manner.
    async fn show(&self, world: &World, answer: &Response, order: Uuid) {
        let made_by = match self.act.what {
            Deed::Cancel { order } | Deed::Ship { order } => order,
            _ => self.act.number,
        };
        let shown = Shown {
            order,
            customer: self.customer,
            version: version_of(answer),
            state: answer.json["state"].as_str().unwrap_or_default().to_owned(),
            token: self.token(world, answer),
            note: note_of(world.plan.seed, made_by),
        };

        if let Some(saga) = id(&answer.json["sagaId"]) {
            world.ledger().sagas.insert(order, saga);
        }
        world.ledger().shown.push(shown.clone());
        if self.act.manner.reads {
            readers::read_back(world, &shown, self.act.number).await;
        }
    }
}

fn summary(answer: &Response) -> String {
    let text = |name: &str| answer.json[name].as_str().unwrap_or_default().to_owned();
    match answer.status {
        200..400 => format!(
            "{} {} {}",
            text("orderId"),
            text("state"),
            answer.json["version"]
        ),
        _ => text("detail"),
    }
}

/// The body of a request.
fn body(what: &Deed, customer: Option<Uuid>, note: &str) -> Option<Value> {
    Some(match what {
        Deed::Order { cents, .. } => order_of(customer?, *cents, note),
        Deed::Unknown { cents } => order_of(NOBODY, *cents, note),
        Deed::Nonsense { .. } => order_of(customer?, 0, note),
        Deed::Cancel { .. } | Deed::Ship { .. } | Deed::StopSaga { .. } => return None,
    })
}

/// An order with a note, by which a search finds it.
fn order_of(customer: Uuid, cents: i64, note: &str) -> Value {
    let price = json!({"amount": amount(cents)});
    let line = json!({"sku": "1", "name": "TUNA", "quantity": 1, "unitPrice": price});
    json!({"customerId": customer, "lines": [line], "note": note})
}
