//! `views status|rebuild`: how far the views are behind, and building one anew while the old one answers.

use std::process::ExitCode;

use serde_json::Value;
use uuid::Uuid;

use super::args::{ViewsAction, ViewsCommand};
use super::http::{Freshness, Node};
use super::table::{Table, cell};
use super::{ClientError, output, pages};

/// Runs one of the view commands.
pub async fn run(command: &ViewsCommand) -> Result<ExitCode, ClientError> {
    let node = Node::new(&command.node.url)?;
    match &command.action {
        ViewsAction::Status => {
            let status = node.get(&["views"], &[], &Freshness::AsItIs).await?.body;
            if command.json {
                output::print_json(&status)?;
            } else {
                output::print(&describe(&status))?;
            }
        }
        ViewsAction::Rebuild { name } => {
            let key = Uuid::now_v7().to_string();
            let answer = node.post(&["views", name, "rebuild"], &Value::Null, &key, None).await?;
            if command.json {
                output::print_json(&answer.body)?;
            } else {
                output::print(&format!("rebuild of {name} accepted; `counterfoil views status` tells how it goes"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The views as a table; used by `explain` too.
pub(super) fn describe(status: &Value) -> String {
    let columns = ["name", "backend", "state", "lag", "progress"];
    let rows: Vec<Vec<String>> =
        pages::rows(status).iter().map(|view| columns.iter().map(|column| cell(view.get(column))).collect()).collect();
    Table::new(columns.map(str::to_uppercase)).render(&rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_view_without_progress_has_a_dash() {
        let text = describe(&json!({"views": [{"name": "orders", "backend": "sqlite", "state": "LIVE", "lag": 0}]}));
        assert_eq!(text, "NAME    BACKEND  STATE  LAG  PROGRESS\norders  sqlite   LIVE   0    -\n");
    }
}
