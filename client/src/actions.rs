//! `actions list`: what operators have done to sagas, parked messages, customers and views, who and
//! why.

use std::process::ExitCode;

use serde_json::Value;

use super::args::{ActionsAction, ActionsCommand};
use super::http::Node;
use super::pages::{self, Rest};
use super::table::{Table, cell};
use super::{ClientError, output};

/// Runs one of the commands.
pub async fn run(command: &ActionsCommand) -> Result<ExitCode, ClientError> {
    let node = Node::named(&command.node)?;
    let json = command.json;
    let ActionsAction::List { which, list } = &command.action;

    let rest = pages::each(&node, &["actions"], &which.named(), list, |page| {
        if json {
            return output::print_json(page);
        }
        output::print(&describe(pages::rows(page)))
    })
    .await?;
    if rest == Rest::More && !json {
        output::note("there are more: --limit N or --all shows them");
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(actions: &[Value]) -> String {
    if actions.is_empty() {
        return "operators have done nothing".to_owned();
    }
    let rows: Vec<Vec<String>> = actions.iter().map(row).collect();
    Table::new(["TIME", "ACTION", "BY", "TO", "ABOUT", "REASON"])
        .within(output::terminal_width())
        .render(&rows)
}

fn row(action: &Value) -> Vec<String> {
    let text = |name: &str| cell(action.get(name));
    let to = match action.get("view") {
        Some(view) => cell(Some(view)),
        None => text("subjectId"),
    };
    vec![
        text("time"),
        text("action"),
        text("by"),
        to,
        text("entityId"),
        text("reason"),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_done_to_a_view_is_told_by_its_name_and_what_to_a_saga_by_its_id() {
        let time = "2026-01-01T00:00:00Z";
        let of_view = json!({"time": time, "action": "view.healed", "by": "ada",
            "view": "search", "entityId": "o1", "reason": "it was odd"});
        let of_saga = json!({"time": time, "action": "saga.retried", "by": "bea",
            "subjectId": "s1", "entityId": "o2"});
        let told = describe(&[of_view, of_saga]);
        let lines: Vec<Vec<&str>> = told
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            lines,
            [
                vec![
                    time,
                    "view.healed",
                    "ada",
                    "search",
                    "o1",
                    "it",
                    "was",
                    "odd"
                ],
                vec![time, "saga.retried", "bea", "s1", "o2", "-"],
            ]
        );
    }
}
