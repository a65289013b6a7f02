//! `sagas list|show|retry|cancel|abandon`: what sagas there are, how far one is, and what a person
//! can do about it.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::args::{ListArgs, SagasAction, SagasCommand};
use super::bulk;
use super::http::{Freshness, Node};
use super::pages::{self, Rest};
use super::table::{Table, cell, facts};
use super::timeline::millis_between;
use super::{ClientError, output};

/// A saga as a node shows it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Saga {
    pub saga_id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub state: String,
    pub order_id: Option<String>,
    pub started_at: String,
    pub updated_at: Option<String>,
    pub ended_at: Option<String>,
    pub deadline: Option<String>,
    pub reason: Option<String>,
    /// How often the running step, or its compensation, has been attempted.
    #[serde(default)]
    pub attempts: u64,
    /// One for each step of its definition, in their order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// What operators have done to it; not in a list.
    #[serde(default)]
    pub actions: Vec<Action>,
}

/// Something that an operator has done to it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Action {
    /// What was done, for example `saga.retried`.
    pub action: String,
    /// Who has done it, as the node calls them.
    pub by: String,
    pub reason: Option<String>,
    pub time: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Step {
    /// Unique within the saga.
    pub name: String,
    /// `local`, or the service that takes part.
    #[serde(default)]
    pub kind: String,
    pub state: String,
    pub at: Option<String>,
    pub detail: Option<Value>,
    /// The newest attempts, oldest first; not in a list.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
}

/// One command of a step, or of its compensation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attempt {
    /// Counts the commands of the saga, over all its steps.
    pub number: u64,
    pub at: String,
    /// The wire name of the command.
    pub sent: Option<String>,
    pub outcome: String,
    pub answered_at: Option<String>,
    /// The wire name of the answer.
    pub answer: Option<String>,
    /// Why it was refused, or why nobody waits for its answer any more.
    pub cause: Option<String>,
}

impl Saga {
    /// Whether something is still to happen.
    pub fn is_open(&self) -> bool {
        !matches!(
            self.state.as_str(),
            "COMPLETED" | "COMPENSATED" | "ABANDONED"
        )
    }

    fn progress(&self) -> String {
        let ended = self
            .steps
            .iter()
            .filter(|step| !matches!(step.state.as_str(), "REMAINING" | "RUNNING"))
            .count();
        format!("{ended}/{}", self.steps.len())
    }
}

/// Runs one of the saga commands.
pub async fn run(command: &SagasCommand) -> Result<ExitCode, ClientError> {
    let node = Node::named(&command.node)?;

    match &command.action {
        SagasAction::List { which, list } => {
            show_list(&node, &which.named(), list, command.json).await?
        }
        SagasAction::Show { id } => {
            let answer = node.get(&["sagas", id], &[], &Freshness::AsItIs).await?;
            if command.json {
                output::print_json(&answer.body)?;
            } else {
                output::print(&describe(&answer.read()?))?;
            }
        }
        SagasAction::Bulk {
            action,
            which,
            bulk,
        } => {
            let (filter, json) = (which.named(), command.json);
            return bulk::run(
                &node,
                (&["sagas"], "sagas"),
                action.name(),
                &filter,
                bulk,
                json,
            )
            .await;
        }
        SagasAction::Retry { id, reason } => {
            act(&node, id, "retry", &because(reason), command.json).await?;
        }
        SagasAction::Cancel { id, reason } => {
            act(&node, id, "cancel", &because(reason), command.json).await?;
        }
        SagasAction::Abandon { id, reason } => {
            act(&node, id, "abandon", &because(reason), command.json).await?;
        }
    }

    Ok(ExitCode::SUCCESS)
}

/// The body of what an operator does.
pub(super) fn because(reason: &Option<String>) -> Value {
    reason
        .as_ref()
        .map_or_else(|| json!({}), |reason| json!({ "reason": reason }))
}

async fn show_list(
    node: &Node,
    filters: &[(&str, &str)],
    list: &ListArgs,
    json: bool,
) -> Result<(), ClientError> {
    let mut table = Table::new([
        "SAGA", "TYPE", "STATE", "STEPS", "ATTEMPTS", "ORDER", "STARTED", "UPDATED",
    ])
    .within(output::terminal_width());

    let rest = pages::each(node, &["sagas"], filters, list, |page| {
        if json {
            return output::print_json(page);
        }
        output::print(&table.render(&pages::rows(page).iter().map(list_row).collect::<Vec<_>>()))
    })
    .await?;

    if json {
        return Ok(());
    }
    output::note_left_out(&table);
    if rest == Rest::More {
        output::note("there are more: --limit N or --all shows them");
    }

    Ok(())
}

/// A list's row is made from the fields that are there, so that one odd saga does not hide the
/// others.
fn list_row(saga: &Value) -> Vec<String> {
    let steps = serde_json::from_value::<Saga>(saga.clone())
        .map_or_else(|_| "-".to_owned(), |saga| saga.progress());
    let field = |name: &str| cell(saga.get(name));

    vec![
        field("sagaId"),
        field("type"),
        field("state"),
        steps,
        field("attempts"),
        field("orderId"),
        field("startedAt"),
        field("updatedAt"),
    ]
}

/// One saga: what it is, then its steps in order with what remains.
fn describe(saga: &Saga) -> String {
    let mut text = facts(&[
        ("saga", saga.saga_id.clone()),
        ("type", saga.kind.clone()),
        ("state", saga.state.clone()),
        ("order", optional(&saga.order_id)),
        ("started", saga.started_at.clone()),
        ("updated", optional(&saga.updated_at)),
        ("ended", optional(&saga.ended_at)),
        ("deadline", optional(&saga.deadline)),
        ("reason", optional(&saga.reason)),
        ("attempts", saga.attempts.to_string()),
    ]);
    text.push('\n');

    let rows: Vec<Vec<String>> = saga
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| step_row(saga, index, step))
        .collect();

    text.push_str(
        &Table::new(["STEP", "NAME", "KIND", "STATE", "AT", "AFTER", "DETAIL"]).render(&rows),
    );

    let mut attempts: Vec<(&Step, &Attempt)> = saga
        .steps
        .iter()
        .flat_map(|step| step.attempts.iter().map(move |attempt| (step, attempt)))
        .collect();
    if !attempts.is_empty() {
        attempts.sort_by_key(|(_, attempt)| attempt.number);
        let rows: Vec<Vec<String>> = attempts.into_iter().map(attempt_row).collect();
        text.push('\n');
        text.push_str(
            &Table::new([
                "ATTEMPT", "STEP", "SENT", "AT", "OUTCOME", "ANSWER", "AFTER", "CAUSE",
            ])
            .render(&rows),
        );
    }

    if !saga.actions.is_empty() {
        let rows: Vec<Vec<String>> = saga.actions.iter().map(action_row).collect();
        text.push('\n');
        text.push_str(&Table::new(["ACTION", "BY", "AT", "REASON"]).render(&rows));
    }

    text
}

fn optional(value: &Option<String>) -> String {
    value.clone().unwrap_or_else(|| "-".to_owned())
}

fn attempt_row((step, attempt): (&Step, &Attempt)) -> Vec<String> {
    let answered_at = attempt.answered_at.as_deref();
    let after = answered_at.and_then(|at| millis_between(&attempt.at, at));
    vec![
        attempt.number.to_string(),
        step.name.clone(),
        optional(&attempt.sent),
        attempt.at.clone(),
        attempt.outcome.clone(),
        optional(&attempt.answer),
        after.map_or_else(|| "-".to_owned(), |millis| format!("+{millis:.1} ms")),
        attempt.cause.clone().unwrap_or_default(),
    ]
}

fn action_row(action: &Action) -> Vec<String> {
    vec![
        action.action.clone(),
        action.by.clone(),
        action.time.clone(),
        action.reason.clone().unwrap_or_default(),
    ]
}

fn step_row(saga: &Saga, index: usize, step: &Step) -> Vec<String> {
    let after = step
        .at
        .as_deref()
        .and_then(|at| millis_between(&saga.started_at, at));
    vec![
        (index + 1).to_string(),
        step.name.clone(),
        step.kind.clone(),
        step.state.clone(),
        step.at.clone().unwrap_or_else(|| "-".to_owned()),
        after.map_or_else(|| "-".to_owned(), |millis| format!("+{millis:.1} ms")),
        step.detail
            .as_ref()
            .map_or_else(String::new, |detail| cell(Some(detail))),
    ]
}

async fn act(
    node: &Node,
    id: &str,
    verb: &str,
    body: &Value,
    json: bool,
) -> Result<(), ClientError> {
    // A key of its own per invocation makes the repeats of this call safe, and a second invocation
    // a new request.
    let key = Uuid::now_v7().to_string();

    let answer = node.post(&["sagas", id, verb], body, &key, None).await?;
    if json {
        output::print_json(&answer.body)?;
    } else {
        output::print(&format!(
            "{verb} of saga {id} accepted; `counterfoil sagas show {id}` tells how it goes"
        ))?;
    }

    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saga_is_shown_with_what_remains() {
        let saga: Saga = serde_json::from_value(json!({
            "sagaId": "s1", "type": "create-order", "state": "RUNNING", "orderId": "o1",
            "attempts": 1,
            "startedAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.002Z",
            "steps": [
                {"name": "reserve credit", "kind": "command", "state": "DONE",
                    "at": "2026-01-01T00:00:00.0015Z", "detail": "25.00", "attempts": [
                        {"number": 1, "at": "2026-01-01T00:00:00.000Z", "compensates": false,
                            "sent": "customer.reserve-credit", "outcome": "DONE",
                            "answer": "customer.credit-reserved",
                            "answeredAt": "2026-01-01T00:00:00.0015Z"}
                    ]},
                {"name": "approve order", "kind": "local", "state": "REMAINING"}
            ],
            "actions": [{"action": "saga.retried", "by": "ada", "reason": "it is up again",
                "time": "2026-01-01T00:00:01.000Z"}]
        }))
        .unwrap();
        let text = describe(&saga);
        assert!(
            text.contains("saga.retried  ada  2026-01-01T00:00:01.000Z  it is up again\n"),
            "{text}"
        );
        assert!(text.contains("ended     -\n"), "{text}");

        assert!(
            text.contains(
                "1     reserve credit  command  DONE       2026-01-01T00:00:00.0015Z  +1.5 ms  \
                 25.00\n"
            ),
            "{text}"
        );

        assert!(
            text.contains("2     approve order   local    REMAINING  -"),
            "{text}"
        );

        assert!(
            text.contains(
                "1        reserve credit  customer.reserve-credit  2026-01-01T00:00:00.000Z  DONE     \
                 customer.credit-reserved  +1.5 ms\n"
            ),
            "{text}"
        );

        assert_eq!((saga.progress(), saga.is_open()), ("1/2".to_owned(), true));
    }
}
