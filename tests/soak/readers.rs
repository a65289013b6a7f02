//! Readers: they send the tokens of what they have seen, and are never shown less.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sagas::testing::Chance;
use tests::{Api, Call, Seen};
use uuid::Uuid;

use crate::asking::{Heard, ask};
use crate::ledger::{Shown, versions};
use crate::world::World;

/// Between two reads of a reader.
const PAUSE: Duration = Duration::from_millis(50);
/// So many tokens a reader sends; then it forgets what it has seen.
const TOKENS: usize = 8;
/// The longest list that a query gives.
const LONGEST: usize = 200;

/// Who reads on and on.
#[derive(Default)]
struct Reader {
    name: String,
    tokens: Vec<String>,
    seen: Seen,
    /// By customer, what was seen of its orders.
    orders: BTreeMap<Uuid, Vec<Uuid>>,
}

/// What a reader looks at.
#[derive(Clone, Copy, Debug)]
enum Place {
    Order,
    /// The orders of a customer, in the document view.
    List,
    /// The customer with its newest orders.
    Customer,
    /// The order by its note, in the search view.
    Search,
    /// The orders of a customer, in the search view.
    Found,
}

const PLACES: [Place; 5] = [
    Place::Order,
    Place::List,
    Place::Customer,
    Place::Search,
    Place::Found,
];

/// Reads back what a caller was just told of.
pub async fn read_back(world: &World, shown: &Shown, number: usize) {
    let mut reader = Reader {
        name: format!("caller {number}"),
        ..Reader::default()
    };
    reader.learn(shown);
    let place = PLACES[number % PLACES.len()];
    reader.read(world, place, shown, 3).await;
}

/// Reads all the time, what callers were told of, until the callers are done.
pub async fn reader(world: Arc<World>, number: u64) {
    let mut chance = Chance::seeded(world.plan.seed ^ (number + 1));
    let mut reader = Reader {
        name: format!("reader {number}"),
        ..Reader::default()
    };

    let end = world.at(world.plan.busy * 2);
    while tokio::time::Instant::now() < end {
        let newest = world.ledger().shown.last().cloned();
        if let Some(shown) = newest {
            reader.learn(&shown);
            let place = chance.of(&PLACES).unwrap_or(Place::Order);
            let wait = u32::try_from(chance.below(4)).unwrap_or(0);
            reader.read(&world, place, &shown, wait).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Reader {
    fn learn(&mut self, shown: &Shown) {
        if self.tokens.len() >= TOKENS {
            self.tokens.clear();
            self.seen = Seen::default();
            self.orders.clear();
        }
        self.tokens.push(shown.token.clone());
        self.seen.see(shown.order, shown.version);
        if let Some(customer) = shown.customer {
            self.seen.see(customer, 1);
            self.orders.entry(customer).or_default().push(shown.order);
        }
    }

    async fn read(&mut self, world: &World, place: Place, about: &Shown, wait: u32) {
        let Some(api) = world.api() else { return };
        let Some(call) = call(&api, place, about) else {
            return;
        };
        let what = format!("{} reads {place:?} of {}", self.name, about.order);

        let call = call.token(&self.tokens.join(","));
        let call = if wait == 0 {
            call.header("prefer", "wait=0")
        } else {
            call
        };
        let answer = match ask(world, &what, call, wait, Duration::MAX).await {
            Heard::Answer(answer) => answer,
            // The view is behind, or nobody answers.
            Heard::Nothing(_) => return,
        };

        if answer.status != 200 {
            world.violated(&format!("{what}: {} {}", answer.status, answer.text));
            return;
        }
        let shown = shown_in(place, about, &answer.json);
        for missing in self.seen.missing(self.wanted(place, about, &shown), &shown) {
            world.violated(&format!("{what}: {missing}: {}", answer.text));
        }
        self.saw(place, about, &shown, answer.header("consistency-token"));
    }

    /// What must be shown, if it was seen.
    fn wanted(&self, place: Place, about: &Shown, shown: &BTreeMap<Uuid, u64>) -> Vec<Uuid> {
        let of_customer = about
            .customer
            .and_then(|customer| self.orders.get(&customer));
        match place {
            Place::Order | Place::Search => vec![about.order],
            // Of its orders the newest ones alone are in it.
            Place::Customer => about.customer.into_iter().collect(),
            // What does not fit into a list may be missing.
            Place::List | Place::Found if shown.len() >= LONGEST => Vec::new(),
            Place::List | Place::Found => of_customer.cloned().unwrap_or_default(),
        }
    }

    fn saw(&mut self, place: Place, about: &Shown, shown: &BTreeMap<Uuid, u64>, token: &str) {
        if token.is_empty() {
            return;
        }
        self.tokens.push(token.to_owned());
        for (entity, version) in shown {
            self.seen.see(*entity, *version);
        }
        if let (Place::List | Place::Found, Some(customer)) = (place, about.customer) {
            self.orders
                .insert(customer, shown.keys().copied().collect());
        }
    }
}

/// `None` when there is no customer to ask about.
fn call(api: &Api, place: Place, about: &Shown) -> Option<Call> {
    let limit = LONGEST.to_string();
    let found = api.get("/orders").query("limit", &limit);
    Some(match place {
        Place::Order => api.order(&about.order.to_string()),
        Place::List => {
            let path = format!("/customers/{}/orders", about.customer?);
            api.get(&path).query("limit", &limit)
        }
        Place::Customer => api.customer(&about.customer?.to_string()),
        Place::Search => found.query("text", &about.note),
        Place::Found => found.query("customerId", &about.customer?.to_string()),
    })
}

fn shown_in(place: Place, about: &Shown, answer: &serde_json::Value) -> BTreeMap<Uuid, u64> {
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    match place {
        Place::Order => versions(std::slice::from_ref(answer), "orderId"),
        Place::List | Place::Search | Place::Found => versions(&list("orders"), "orderId"),
        Place::Customer => {
            let orders = answer["orders"].as_object().into_iter().flatten();
            let orders: Vec<_> = orders.map(|(_, order)| order.clone()).collect();
            let mut shown = versions(&orders, "orderId");
            let version = answer["version"].as_u64();
            shown.extend(about.customer.zip(version));
            shown
        }
    }
}
