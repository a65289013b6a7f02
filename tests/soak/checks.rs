//! What must hold when everything is at rest: what `verify` looks at, and whatever callers know.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::Value;
use tests::{Api, Cli, CreditModel, Ran, cents};
use uuid::Uuid;

use crate::ledger::{Kind, Shown, id};
use crate::round::AT_ONCE;
use crate::world::World;

/// Messages and sagas that are under way by the stores; `None` when nothing is.
pub async fn what_is_in_flight(cli: &Cli) -> Option<String> {
    let report = match audited(cli).await {
        Ok(report) => report,
        Err(outcome) => return Some(said(&outcome)),
    };
    let work = &report["workInFlight"];
    let counts = work.as_object().into_iter().flatten();
    let mut open = counts.filter(|(_, count)| count.as_u64().is_some_and(|count| count > 0));
    if open.next().is_some() {
        return Some(work.to_string());
    }

    let views = report["views"].as_object().into_iter().flatten();
    let mut behind = views.filter(|(_, lag)| lag["behind"] != 0 || lag["shardsBehind"] != 0);
    behind
        .next()
        .map(|(view, lag)| format!("view {view}: {lag}"))
}

/// The invariants that `verify` looks at hold.
pub async fn invariants_hold(world: &World, cli: &Cli) {
    let report = match audited(cli).await {
        Ok(report) => report,
        Err(outcome) => return world.violated(&format!("verify: {}", said(&outcome))),
    };
    for (invariant, finding) in report["invariants"].as_object().into_iter().flatten() {
        for example in finding["examples"].as_array().into_iter().flatten() {
            world.violated(&format!("{invariant}: {example}"));
        }
        if let Some(why) = finding.get("unchecked") {
            world.violated(&format!("{invariant} cannot be looked at: {why}"));
        }
    }
}

/// What `counterfoil verify` reports.
async fn audited(cli: &Cli) -> Result<Value, Ran> {
    let outcome = cli.run(&["verify", "--json"]).await;
    serde_json::from_str(&outcome.stdout).map_err(|_| outcome)
}

fn said(outcome: &Ran) -> String {
    format!("{:?}: {}", outcome.code, outcome.said())
}

/// All that the views show.
struct Views {
    customers: BTreeMap<Uuid, u64>,
    /// By the document view; without those of customers that do not exist.
    documents: BTreeMap<Uuid, Value>,
    /// By the search view.
    found: BTreeMap<Uuid, Value>,
}

impl Views {
    async fn read(api: &Api) -> Self {
        let all = [("limit", "200")];
        let customers = api
            .walk("/customers", &all, "customers", "customerId")
            .await;
        let versions = customers.iter().filter_map(|customer| {
            Some((id(&customer["customerId"])?, customer["version"].as_u64()?))
        });
        let versions: BTreeMap<_, _> = versions.collect();

        let mut documents = BTreeMap::new();
        for customer in versions.keys() {
            let path = format!("/customers/{customer}/orders");
            documents.extend(by_id(api.walk(&path, &all, "orders", "orderId").await));
        }
        Views {
            customers: versions,
            documents,
            found: by_id(api.walk("/orders", &all, "orders", "orderId").await),
        }
    }

    fn version(&self, entity: Uuid) -> Option<u64> {
        let order = || self.found.get(&entity)?["version"].as_u64();
        self.customers.get(&entity).copied().or_else(order)
    }
}

fn by_id(orders: Vec<Value>) -> BTreeMap<Uuid, Value> {
    let orders = orders.into_iter();
    orders
        .filter_map(|order| Some((id(&order["orderId"])?, order)))
        .collect()
}

/// What callers know is true; `told_since` is the first of this round's answers.
pub async fn callers_were_told_the_truth(world: &World, api: &Api, told_since: usize) {
    let views = Views::read(api).await;
    for untrue in world
        .ledger()
        .answers
        .untrue(|entity| views.version(entity))
    {
        world.violated(&untrue);
    }
    views_agree(world, &views);
    nobody_has_made_more(world, &views);
    orders_have_ended_as_asked(world, &views);
    credit_is_a_sequence(world, api, &views).await;

    let told = world.ledger().shown[told_since..].to_vec();
    for portion in told.chunks(AT_ONCE) {
        join_all(portion.iter().map(|shown| was_so(world, api, shown))).await;
    }
}

/// Each customer's credit is what a sequence of decisions leads to, and what was refused for lack
/// of it was refused by one of them.
async fn credit_is_a_sequence(world: &World, api: &Api, views: &Views) {
    let mut models = BTreeMap::new();
    for customer in views.customers.keys() {
        let path = format!("/customers/{customer}/history");
        let events = api.walk(&path, &[], "events", "version").await;
        let told = events.iter().map(|event| {
            let name = event["type"].as_str().unwrap_or_default();
            (name, &event["data"])
        });
        match CreditModel::of(told) {
            Ok(model) => drop(models.insert(customer.to_string(), model)),
            Err(what) => world.violated(&format!("customer {customer}: {what}")),
        }
    }

    for (order, shown) in &views.found {
        let model = shown["customerId"].as_str().and_then(|id| models.get(id));
        let is_refused = shown["rejectionReason"] == "INSUFFICIENT_CREDIT";
        let never = |model: &CreditModel| !model.may_have_refused(cents(&shown["orderTotal"]));
        if is_refused && model.is_some_and(never) {
            world.violated(&format!("there was always credit for order {order}"));
        }
    }
}

/// An order is shown alike everywhere.
fn views_agree(world: &World, views: &Views) {
    for (order, document) in &views.documents {
        let found = views.found.get(order).unwrap_or(&Value::Null);
        for field in ["version", "state", "orderTotal"] {
            if document[field] != found[field] {
                world.violated(&format!(
                    "order {order}: {field} is {} in its document, and {} in the search",
                    document[field], found[field]
                ));
            }
        }
    }
}

/// There are no more orders than callers have made, or may have.
fn nobody_has_made_more(world: &World, views: &Views) {
    let (known, open) = world.ledger().orders();
    let there: BTreeSet<_> = views.found.keys().copied().collect();
    let more = there.difference(&known).count();
    if u64::try_from(more).unwrap_or(u64::MAX) > open {
        world.violated(&format!(
            "{more} orders were made by nobody, and {open} callers do not know of theirs"
        ));
    }
}

/// Each has come to an end, and what was refused has not happened.
fn orders_have_ended_as_asked(world: &World, views: &Views) {
    let ledger = world.ledger();
    let (known, _) = ledger.orders();
    for (order, shown) in &views.found {
        let state = shown["state"].as_str().unwrap_or_default();
        let unasked = |kind| known.contains(order) && !ledger.may_have(kind, *order);
        match state {
            "PENDING" | "CANCEL_PENDING" => {
                world.violated(&format!("order {order} is {state} for ever"));
            }
            "CANCELLED" if unasked(Kind::Cancel) => {
                world.violated(&format!("order {order} is cancelled, and nobody was told"));
            }
            "SHIPPED" if unasked(Kind::Ship) => {
                world.violated(&format!("order {order} is shipped, and nobody was told"));
            }
            _ => {}
        }
    }
}

/// The order was in this state at this version.
async fn was_so(world: &World, api: &Api, shown: &Shown) {
    let version = shown.version.to_string();
    let call = api
        .order(&shown.order.to_string())
        .query("asOfVersion", &version);
    let was = call.await;
    if was.json["state"] != shown.state.as_str() {
        world.violated(&format!(
            "order {} was told to be {} at version {version}, which is {} {}",
            shown.order, shown.state, was.status, was.json["state"]
        ));
    }
}
