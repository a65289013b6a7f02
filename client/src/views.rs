//! `views status|rebuild|revert|heal|quarantine`: how far the views are, building one anew while
//! the old one answers, going back, and healing one entity, or all that they take in no longer.

pub(crate) mod quarantine;
mod waiting;

use std::process::ExitCode;

use reqwest::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::args::{ViewsAction, ViewsCommand};
use super::http::{Freshness, Node};
use super::sagas::because;
use super::table::{Table, cell};
use super::{ClientError, output, pages};

/// Runs one of the view commands.
pub async fn run(command: &ViewsCommand) -> Result<ExitCode, ClientError> {
    let node = Node::named(&command.node)?;
    let json = command.json;

    match &command.action {
        ViewsAction::Status => show(&node, json).await?,
        ViewsAction::Rebuild {
            name,
            from,
            wait,
            reason,
        } => {
            let path = ["views", name, "rebuild"];
            let from = [("from", from.name())];
            let why = because(reason);
            let begun = node.post_with(&path, &from, &why, &key()).await?.body;
            if *wait {
                return waiting::until_it_answers(&node, name, &begun, json).await;
            }

            let generation = generation(&begun);
            let next = "`counterfoil views status` tells how it goes";
            let text = format!("generation {generation} of {name} is being built; {next}");
            done(&begun, &text, json)?;
        }
        ViewsAction::Revert { name, reason } => revert(&node, name, reason, json).await?,
        ViewsAction::Heal { name, id, reason } => {
            let path = ["views", name, "heal", id];
            let healed = node.post(&path, &because(reason), &key(), None).await?.body;
            let version = cell(healed.get("version"));
            let text = format!("{id} is healed in {name}: it shows version {version}");
            done(&healed, &text, json)?;
        }
        ViewsAction::Quarantine { action } => return quarantine::run(&node, action, json).await,
    }

    Ok(ExitCode::SUCCESS)
}

async fn show(node: &Node, json: bool) -> Result<(), ClientError> {
    let status = node.get(&["views"], &[], &Freshness::AsItIs).await?.body;
    done(&status, &describe(&status), json)
}

async fn revert(
    node: &Node,
    name: &str,
    reason: &Option<String>,
    json: bool,
) -> Result<(), ClientError> {
    let path = ["views", name, "revert"];
    let answer = node.post(&path, &because(reason), &key(), None).await?;
    let verb = if answer.status == StatusCode::OK {
        "answers again"
    } else {
        "will answer in a moment"
    };
    let text = format!("generation {} of {name} {verb}", generation(&answer.body));
    done(&answer.body, &text, json)
}

fn key() -> String {
    Uuid::now_v7().to_string()
}

fn generation(answer: &Value) -> String {
    cell(answer.get("generation"))
}

fn done(answer: &Value, text: &str, json: bool) -> Result<(), ClientError> {
    if json {
        output::print_json(answer)?
    } else {
        output::print(text)?
    };
    Ok(())
}

/// The views as a table, and below it why one has failed; used by `explain` too.
pub(super) fn describe(status: &Value) -> String {
    let columns = [
        "name",
        "backend",
        "state",
        "generation",
        "kept",
        "lag",
        "progress",
    ];

    let text = |view: &Value, column: &str| match column {
        "progress" => view
            .get("progress")
            .map_or_else(|| cell(None), waiting::in_words),
        column => cell(view.get(column)),
    };

    let views = pages::rows(status);
    let rows: Vec<Vec<String>> = views
        .iter()
        .map(|view| columns.iter().map(|column| text(view, column)).collect())
        .collect();
    let mut described = Table::new(columns.map(str::to_uppercase)).render(&rows);

    for view in views {
        if let Some(error) = view.get("error").and_then(Value::as_str) {
            described.push_str(&format!("\n{}: {error}\n", cell(view.get("name"))));
        }
    }

    described
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_view_without_progress_has_a_dash() {
        let text = describe(&json!({"views": [
            {"name": "orders", "backend": "sqlite", "state": "LIVE", "lag": 0, "generation": 1},
        ]}));
        let expected = "NAME    BACKEND  STATE  GENERATION  KEPT  LAG  PROGRESS\n\
                        orders  sqlite   LIVE   1           -     0    -\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_view_that_is_rebuilt_shows_how_far_and_one_that_has_failed_why() {
        let progress = json!({
            "generation": 2, "stage": "CATCHING_UP", "done": 456, "total": 1000,
            "eventsPerSecond": 1200.4, "etaSeconds": 9,
        });
        let text = describe(&json!({"views": [
            {"name": "orders", "state": "REBUILDING", "lag": 0, "progress": progress},
            {"name": "search", "state": "FAILED", "lag": 7, "error": "it is down"},
        ]}));
        assert!(
            text.contains("generation 2: 45 %, 1200 per second, about 9 s left"),
            "{text}"
        );
        assert!(text.ends_with("\nsearch: it is down\n"), "{text}");
    }
}
