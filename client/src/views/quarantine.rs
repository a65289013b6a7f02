//! `views quarantine list|show|bulk`: the customers and orders that views take in no longer.

use std::process::ExitCode;

use serde_json::Value;

use crate::args::{InViewsFilterArgs, ListArgs, ViewQuarantineAction};
use crate::http::{Freshness, Node};
use crate::pages::{self, Rest};
use crate::table::{Table, cell};
use crate::{ClientError, bulk, output, quarantine};

const COLUMNS: [&str; 6] = [
    "view",
    "entityType",
    "entityId",
    "version",
    "since",
    "cause",
];
const TITLES: [&str; 6] = [
    "VIEW",
    "ENTITY TYPE",
    "ENTITY ID",
    "VERSION",
    "SINCE",
    "CAUSE",
];

pub(super) async fn run(
    node: &Node,
    action: &ViewQuarantineAction,
    json: bool,
) -> Result<ExitCode, ClientError> {
    match action {
        ViewQuarantineAction::List { which, list } => show_all(node, which, list, json).await?,
        ViewQuarantineAction::Show { name, id } => {
            let path = ["views", name, "quarantine", id];
            let shown = node.get(&path, &[], &Freshness::AsItIs).await?.body;
            super::done(&shown, &quarantine::describe(&shown), json)?;
        }
        ViewQuarantineAction::Bulk {
            action,
            which,
            bulk,
        } => {
            let (path, filter) = (["views", "quarantine"], which.named());
            let what = (&path[..], "entities");
            return bulk::run(node, what, action.name(), &filter, bulk, json).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn show_all(
    node: &Node,
    which: &InViewsFilterArgs,
    list: &ListArgs,
    json: bool,
) -> Result<(), ClientError> {
    let path = ["views", "quarantine"];
    let rest = pages::each(node, &path, &which.named(), list, |page| {
        if json {
            return output::print_json(page);
        }
        let entries = pages::rows(page);
        output::print(&match entries.is_empty() {
            true => "the views take everything in".to_owned(),
            false => table(entries),
        })
    })
    .await?;
    if rest == Rest::More && !json {
        output::note("there are more: --limit N or --all shows them");
    }
    Ok(())
}

/// As a table, beside parked messages as well.
pub(crate) fn table(entities: &[Value]) -> String {
    let row = |entity: &Value| COLUMNS.map(|name| cell(entity.get(name))).to_vec();
    let rows: Vec<Vec<String>> = entities.iter().map(row).collect();
    Table::new(TITLES).render(&rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_view_cannot_take_in_is_shown_with_its_view_and_version() {
        let parked = json!({"view": "documents", "entityType": "order", "entityId": "o1",
            "version": 2, "since": "2026-01-01T00:00:00Z", "cause": "cannot be decoded"});
        let text = table(&[parked]);
        let expected = "documents  order        o1         2        2026-01-01T00:00:00Z  \
                        cannot be decoded\n";
        assert!(text.ends_with(expected), "{text}");
    }
}
