//! Asks a node for everything that belongs to one id.
//!
//! Histories come from the services' own databases, so they are complete even while a view lags.
//! The customer's part of an order's story is found by correlation id; a customer's own story keeps
//! the newest events only.

use std::collections::{BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::Value;

use super::obstacles::{Obstacle, actions, quarantined};
use crate::ClientError;
use crate::http::{Freshness, Node, NodeAnswer};
use crate::pages;
use crate::sagas::Saga;

/// Tells at most this many events of a customer, and only counts earlier ones.
const NEWEST_EVENTS: usize = 100;
/// Searches at most this many pages of the list of sagas for those of an order when its correlation
/// ids are not sagas.
const SAGA_PAGES: usize = 10;
const NOT_FOUND: u16 = 404;

/// An event of a history.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Counts the entity's events from 1.
    pub version: u64,
    /// Its wire name.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened, in RFC 3339.
    pub time: String,
    /// Its body.
    #[serde(default)]
    pub data: Value,
    /// The event's own id.
    pub message_id: Option<String>,
    /// The saga, or the request, that it is part of.
    pub correlation_id: Option<String>,
}

impl Event {
    /// Whether the order's customer reacts to it, so that it begins no saga.
    pub fn is_heard_by_its_customer(&self) -> bool {
        let is_announced = self.data.get("release").is_some();
        let coordination = self.data.get("coordination").and_then(Value::as_str);
        is_announced || coordination == Some("choreography")
    }
}

/// What the id turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Order,
    Customer,
    Saga,
}

/// All that was found.
#[derive(Debug)]
pub struct Found {
    /// As it was asked for.
    pub id: String,
    /// What it names.
    pub kind: Kind,
    /// The order itself, or the one that the saga works on.
    pub order_id: Option<String>,
    /// The document of the order (or customer) in the view, if it is there already.
    pub document: Option<Value>,
    /// The order's history, oldest first.
    pub order_events: Vec<Event>,
    /// Of the customer: for an order, the events that concern it.
    pub customer_events: Vec<Event>,
    /// Events of a customer left out because they are old.
    pub earlier_events: usize,
    /// The sagas that work on the order.
    pub sagas: Vec<Saga>,
    /// The states of the views.
    pub views: Value,
    /// What is in quarantine and keeps the id from going on.
    pub quarantined: Vec<Obstacle>,
    /// What operators have done to any of it.
    pub actions: Vec<Value>,
}

/// Finds out what the id is and asks for the rest.
pub async fn gather(node: &Node, id: &str) -> Result<Found, ClientError> {
    if let Some(events) = events(node, "orders", id, usize::MAX, |_| true).await? {
        return order(node, id, Kind::Order, id, events, None).await;
    }

    if let Some(events) = events(node, "customers", id, NEWEST_EVENTS, |_| true).await? {
        return customer(node, id, events).await;
    }

    let Some(saga) = saga(node, id).await? else {
        return Err(ClientError::UnknownId(id.to_owned()));
    };

    let order_id = saga.order_id.clone().unwrap_or_default();
    let events = if order_id.is_empty() {
        None
    } else {
        events(node, "orders", &order_id, usize::MAX, |_| true).await?
    };

    order(
        node,
        id,
        Kind::Saga,
        &order_id,
        events.unwrap_or_default(),
        Some(saga),
    )
    .await
}

async fn order(
    node: &Node,
    id: &str,
    kind: Kind,
    order_id: &str,
    history: History,
    saga: Option<Saga>,
) -> Result<Found, ClientError> {
    let document = match order_id {
        "" => None,
        order_id => {
            let path = ["orders", order_id];
            let shown = node.get(&path, &[], &Freshness::AsItIs).await;
            optional(shown)?.map(|answer| answer.body)
        }
    };

    let correlations: BTreeSet<String> = history
        .events
        .iter()
        .filter_map(|event| event.correlation_id.clone())
        .collect();

    let customer_id = document
        .iter()
        .chain(history.events.iter().map(|event| &event.data))
        .find_map(|place| place.get("customerId")?.as_str())
        .map(str::to_owned);

    let customer_events = match &customer_id {
        Some(customer) => events_about(node, customer, order_id, &correlations).await?,
        None => Vec::new(),
    };

    let has_none = history.events.iter().any(Event::is_heard_by_its_customer);
    let sagas = sagas_of(node, order_id, &correlations, saga, has_none).await?;

    let mut about = vec![order_id];
    about.extend(sagas.iter().map(|saga| saga.saga_id.as_str()));
    about.retain(|id| !id.is_empty());
    let waits = is_under_way(&sagas, &history.events);
    let customer = customer_id.as_deref();
    let quarantined = quarantined(node, &about, customer.filter(|_| waits)).await?;
    let actions = actions(node, &about, customer, &quarantined).await?;

    Ok(Found {
        id: id.to_owned(),
        kind,
        order_id: (!order_id.is_empty()).then(|| order_id.to_owned()),
        document,
        order_events: history.events,
        customer_events,
        earlier_events: 0,
        sagas,
        views: views(node).await?,
        quarantined,
        actions,
    })
}

/// What has happened to a customer because of an order: caused by the order itself, or by the
/// causes of the order's events.
async fn events_about(
    node: &Node,
    customer: &str,
    order: &str,
    correlations: &BTreeSet<String>,
) -> Result<Vec<Event>, ClientError> {
    let belongs = |event: &Event| {
        let correlation = event.correlation_id.as_ref();
        correlation.is_some_and(|correlation| correlations.contains(correlation))
            || event.data.get("orderId").and_then(Value::as_str) == Some(order)
    };
    let found = events(node, "customers", customer, usize::MAX, belongs).await?;
    Ok(found.unwrap_or_default().events)
}

async fn customer(node: &Node, id: &str, history: History) -> Result<Found, ClientError> {
    let document = optional(node.get(&["customers", id], &[], &Freshness::AsItIs).await)?
        .map(|answer| answer.body);
    let quarantined = quarantined(node, &[id], None).await?;
    let actions = actions(node, &[id], None, &quarantined).await?;

    Ok(Found {
        id: id.to_owned(),
        kind: Kind::Customer,
        order_id: None,
        document,
        order_events: Vec::new(),
        customer_events: history.events,
        earlier_events: history.earlier,
        sagas: Vec::new(),
        views: views(node).await?,
        quarantined,
        actions,
    })
}

/// A part of a history.
#[derive(Debug, Default)]
struct History {
    events: Vec<Event>,
    earlier: usize,
}

/// The newest `keep` events of a history that `belongs` picks, or `None` when there is no such
/// entity.
async fn events(
    node: &Node,
    collection: &str,
    id: &str,
    keep: usize,
    belongs: impl Fn(&Event) -> bool,
) -> Result<Option<History>, ClientError> {
    let mut kept: VecDeque<Event> = VecDeque::new();
    let mut earlier = 0;

    let mut cursor: Option<String> = None;
    loop {
        let query: Vec<(&str, &str)> = cursor
            .as_deref()
            .map(|cursor| ("cursor", cursor))
            .into_iter()
            .collect();
        let Some(answer) = optional(
            node.get(&[collection, id, "history"], &query, &Freshness::AsItIs)
                .await,
        )?
        else {
            return Ok(None);
        };
        cursor = pages::next(&answer.body);
        let page: Page = answer.read()?;
        for event in page.events.into_iter().filter(&belongs) {
            kept.push_back(event);
            if kept.len() > keep {
                kept.pop_front();
                earlier += 1;
            }
        }
        if cursor.is_none() {
            return Ok(Some(History {
                events: kept.into(),
                earlier,
            }));
        }
    }
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Event>,
}

/// The sagas of an order: those named by its correlation ids, else those that the list shows for
/// it, unless it may well have none.
async fn sagas_of(
    node: &Node,
    order_id: &str,
    correlations: &BTreeSet<String>,
    known: Option<Saga>,
    may_have_none: bool,
) -> Result<Vec<Saga>, ClientError> {
    let mut sagas: Vec<Saga> = known.into_iter().collect();
    for correlation in correlations {
        if !sagas.iter().any(|saga| saga.saga_id == *correlation) {
            sagas.extend(saga(node, correlation).await?);
        }
    }

    if sagas.is_empty() && !order_id.is_empty() && !may_have_none {
        sagas = search_sagas(node, order_id).await?;
    }

    sagas.sort_by(|left, right| left.started_at.cmp(&right.started_at));

    Ok(sagas)
}

async fn search_sagas(node: &Node, order_id: &str) -> Result<Vec<Saga>, ClientError> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;

    for _ in 0..SAGA_PAGES {
        let mut query = vec![("limit", "200")];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = node.get(&["sagas"], &query, &Freshness::AsItIs).await?.body;
        let of_order = pages::rows(&page)
            .iter()
            .filter(|saga| saga.get("orderId").and_then(Value::as_str) == Some(order_id));
        found.extend(of_order.filter_map(|saga| serde_json::from_value::<Saga>(saga.clone()).ok()));
        cursor = pages::next(&page);
        if cursor.is_none() {
            break;
        }
    }

    Ok(found)
}

async fn saga(node: &Node, id: &str) -> Result<Option<Saga>, ClientError> {
    optional(node.get(&["sagas", id], &[], &Freshness::AsItIs).await)?
        .map(NodeAnswer::read)
        .transpose()
}

async fn views(node: &Node) -> Result<Value, ClientError> {
    Ok(node.get(&["views"], &[], &Freshness::AsItIs).await?.body)
}

/// Whether an order still waits for somebody: its saga, or its customer.
fn is_under_way(sagas: &[Saga], events: &[Event]) -> bool {
    let newest = events.last().map(|event| event.kind.as_str());
    let is_asked_for = matches!(newest, Some("order.created" | "order.cancel-requested"));
    is_asked_for || sagas.iter().any(Saga::is_open)
}

/// "There is no such thing" is an answer here, not a failure.
pub(super) fn optional(
    answer: Result<NodeAnswer, ClientError>,
) -> Result<Option<NodeAnswer>, ClientError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.status() == Some(NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}
