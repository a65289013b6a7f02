//! Makes a story of what was found: a headline, the moments in order, what is still open.
//!
//! Pure. It tells what came over HTTP by the first event it caused, and at that event's time: a
//! node keeps no access log.

use serde::Serialize;
use serde_json::Value;

use super::gather::{Event, Found, Kind};
use super::obstacles::Obstacle;
use crate::sagas::Saga;
use crate::table::{cell, facts};
use crate::timeline::{self, Moment, Place};
use crate::{pages, views};

/// What `explain` prints; `--json` prints its fields.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    id: String,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Value>,
    timeline: Vec<Moment>,
    earlier_events: usize,
    /// What has not ended, lags, or needs somebody; empty when all is done.
    open: Vec<String>,
    views: Value,
}

/// Orders what was found.
pub fn tell(found: Found) -> Story {
    let mut moments: Vec<Moment> = Vec::new();
    for event in &found.order_events {
        moments.extend(request(event));
        moments.extend(happened(event, Place::Orders));
    }

    for event in &found.customer_events {
        moments.extend(request(event));
        moments.extend(happened(event, Place::Customers));
    }

    moments.extend(found.sagas.iter().flat_map(saga_moments));
    moments.extend(found.actions.iter().filter_map(action));

    Story {
        open: open(&found),
        timeline: timeline::arrange(moments),
        id: found.id,
        kind: found.kind,
        order_id: found.order_id,
        document: found.document,
        earlier_events: found.earlier_events,
        views: found.views,
    }
}

/// The request that caused an event, for those events only a request causes.
fn request(event: &Event) -> Option<Moment> {
    let saga = "order, saga, event and command in one unit";
    let no_saga = "order and event in one unit; its customer hears of it, and no saga is there";
    let what = match event.kind.as_str() {
        "customer.created" => "POST /customers accepted".to_owned(),
        "order.created" => match event.is_heard_by_its_customer() {
            true => format!("POST /orders accepted: {no_saga}"),
            false => format!("POST /orders accepted: {saga}"),
        },
        "order.shipped" => "POST /orders/{id}/ship accepted".to_owned(),
        "order.cancel-requested" => match event.is_heard_by_its_customer() {
            true => format!("POST /orders/{{id}}/cancel accepted: {no_saga}"),
            false => format!("POST /orders/{{id}}/cancel accepted: {saga}"),
        },
        _ => return None,
    };
    Some(Moment {
        at: event.time.parse().ok()?,
        place: Place::Http,
        what,
        version: None,
        message_id: None,
        detail: None,
        delta_ms: 0.0,
    })
}

fn happened(event: &Event, place: Place) -> Option<Moment> {
    let detail = (!event.data.is_null()).then(|| cell(Some(&event.data)));
    Some(Moment {
        at: event.time.parse().ok()?,
        place,
        what: event.kind.clone(),
        version: Some(event.version),
        message_id: event.message_id.clone(),
        detail,
        delta_ms: 0.0,
    })
}

fn saga_moments(saga: &Saga) -> Vec<Moment> {
    let moment = |at: Option<&str>, what: String, detail: Option<String>| {
        Some(Moment {
            at: at?.parse().ok()?,
            place: Place::Saga,
            what,
            version: None,
            message_id: None,
            detail,
            delta_ms: 0.0,
        })
    };

    let name = format!("{} {}", saga.kind, saga.saga_id);
    let mut moments: Vec<Moment> = moment(Some(&saga.started_at), format!("{name} started"), None)
        .into_iter()
        .collect();

    for step in &saga.steps {
        let what = format!("step {} ({}): {}", step.name, step.kind, step.state);
        moments.extend(moment(
            step.at.as_deref(),
            what,
            step.detail.as_ref().map(|detail| cell(Some(detail))),
        ));
    }

    moments.extend(moment(
        saga.ended_at.as_deref(),
        format!("{name} ended: {}", saga.state),
        None,
    ));

    moments
}

/// What is in flight, lags or is stuck.
fn open(found: &Found) -> Vec<String> {
    let mut open = Vec::new();

    for saga in found.sagas.iter().filter(|saga| saga.is_open()) {
        let remaining: Vec<&str> = saga
            .steps
            .iter()
            .filter(|step| matches!(step.state.as_str(), "REMAINING" | "RUNNING"))
            .map(|step| step.name.as_str())
            .collect();
        let deadline = saga
            .deadline
            .as_ref()
            .map_or_else(String::new, |deadline| format!(", deadline {deadline}"));
        open.push(format!(
            "saga {} is {}, remaining: {}{deadline}",
            saga.saga_id,
            saga.state,
            remaining.join(", ")
        ));
    }

    open.extend(behind(found));

    for view in pages::rows(&found.views) {
        let lags = view
            .get("lag")
            .is_some_and(|lag| !lag.is_null() && lag.as_f64() != Some(0.0));
        let live = view.get("state").and_then(Value::as_str) == Some("LIVE");
        if lags || !live {
            open.push(format!(
                "view {} is {}, lag {}",
                cell(view.get("name")),
                cell(view.get("state")),
                cell(view.get("lag"))
            ));
        }
    }

    open.extend(found.quarantined.iter().map(obstacle));

    open
}

/// What is in quarantine, why, and what to look at next.
fn obstacle(Obstacle { entry, is_own }: &Obstacle) -> String {
    let fact = |name| cell(entry.get(name));
    let entity = format!("{} {}", fact("entityType"), fact("entityId"));
    let cause = fact("cause");

    if entry.get("view").is_some() {
        let (view, version) = (fact("view"), fact("version"));
        return format!("view {view} cannot take in version {version} of {entity}: {cause}");
    }

    let (id, kind) = (fact("id"), fact("messageType"));
    match is_own {
        true => format!("in quarantine: message {id} ({kind}) to {entity}: {cause}"),
        false => format!(
            "{entity} processes nothing until message {id} ({kind}) is out of quarantine, and what \
             is sent to it waits: {cause}"
        ),
    }
}

/// What an operator has done, and why.
fn action(done: &Value) -> Option<Moment> {
    let fact = |name| cell(done.get(name));
    // A view has a name, and no id.
    let subject = done.get("view").or_else(|| done.get("subjectId"));
    let subject = cell(subject);
    let reason = done.get("reason").and_then(Value::as_str);
    let because = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    Some(Moment {
        at: done.get("time")?.as_str()?.parse().ok()?,
        place: Place::Operator,
        what: format!("{} by {}{because}", fact("action"), fact("by")),
        version: None,
        message_id: None,
        detail: Some(subject),
        delta_ms: 0.0,
    })
}

/// Whether the document view shows less than has happened.
fn behind(found: &Found) -> Option<String> {
    let events = if found.kind == Kind::Customer {
        &found.customer_events
    } else {
        &found.order_events
    };
    let happened = events.last()?.version;

    let shown = found
        .document
        .as_ref()
        .and_then(|document| document.get("version"))
        .and_then(Value::as_u64)
        .unwrap_or_default();
    (shown < happened).then(|| format!("the document view shows version {shown} of {happened}"))
}

impl Story {
    /// The story for a person.
    pub fn to_text(&self) -> String {
        let mut text = facts(&self.headline());
        text.push('\n');

        if self.earlier_events > 0 {
            text.push_str(&format!(
                "({} earlier events are not shown)\n",
                self.earlier_events
            ));
        }

        text.push_str(&timeline::render(&self.timeline));
        text.push('\n');
        text.push_str(&views::describe(&self.views));
        text.push('\n');

        if self.open.is_empty() {
            text.push_str("nothing is in flight and no view lags\n");
        }

        for line in &self.open {
            text.push_str(&format!("open: {line}\n"));
        }

        text
    }

    fn headline(&self) -> Vec<(&'static str, String)> {
        let kind = match self.kind {
            Kind::Order => "order",
            Kind::Customer => "customer",
            Kind::Saga => "saga",
        };

        let mut headline = vec![(kind, self.id.clone())];
        if let (Kind::Saga, Some(order_id)) = (self.kind, &self.order_id) {
            headline.push(("order", order_id.clone()));
        }

        let Some(document) = &self.document else {
            headline.push(("document", "not in the view".to_owned()));
            return headline;
        };
        let money = |name: &str| document.get(name).and_then(|money| money.get("amount"));

        let shown = [
            ("name", document.get("name")),
            ("state", document.get("state")),
            ("reason", document.get("rejectionReason")),
            ("total", money("orderTotal")),
            ("limit", money("creditLimit")),
            ("available", money("availableCredit")),
            (
                "customer",
                document
                    .get("customerId")
                    .filter(|_| self.kind != Kind::Customer),
            ),
            ("version", document.get("version")),
        ];

        headline.extend(
            shown
                .into_iter()
                .filter(|(_, value)| value.is_some())
                .map(|(name, value)| (name, cell(value))),
        );

        headline
    }
}

#[cfg(test)]
mod tests;
