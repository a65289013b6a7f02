//! `quarantine list|causes|show|replay|edit|discard|bulk`: messages that no entity could process,
//! and what to do with them.
//!
//! The columns follow the fields that the node sends: those known to matter first, in this order,
//! then any other plain field.

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use uuid::Uuid;

use super::args::{ListArgs, QuarantineAction, QuarantineCommand};
use super::bulk;
use super::http::{Freshness, Node};
use super::pages::{self, Rest};
use super::sagas::because;
use super::table::{Table, cell, facts};
use super::views::quarantine::table as table_of_views;
use super::{ClientError, output};

const FIRST_COLUMNS: [&str; 9] = [
    "id",
    "service",
    "entityType",
    "entityId",
    "messageType",
    "messages",
    "attempts",
    "since",
    "cause",
];

/// Runs one of the quarantine commands.
pub async fn run(command: &QuarantineCommand) -> Result<ExitCode, ClientError> {
    let node = Node::named(&command.node)?;
    let json = command.json;

    match &command.action {
        QuarantineAction::List { which, list } => {
            show_all(&node, &which.named(), list, json).await?;
        }
        QuarantineAction::Causes => causes(&node, json).await?,
        QuarantineAction::Edit { id, body, reason } => {
            edit(&node, id, body, reason.as_deref(), json).await?;
        }
        QuarantineAction::Bulk {
            action,
            which,
            bulk,
        } => {
            let (path, filter) = (["quarantine"], which.named());
            let what = (&path[..], "messages");
            return bulk::run(&node, what, action.name(), &filter, bulk, json).await;
        }
        QuarantineAction::Show { id } => show(&node, id, json).await?,
        QuarantineAction::Replay { id, reason } => {
            let key = Uuid::now_v7().to_string();
            let path = ["quarantine", id, "replay"];
            let answer = node.post(&path, &because(reason), &key, None).await?;
            done(&answer.body, &format!("{id} is processed again"), json)?;
        }
        QuarantineAction::Discard { id, reason } => {
            let key = Uuid::now_v7().to_string();
            let reason = reason.as_deref().map(|reason| ("reason", reason));
            let query: Vec<_> = reason.into_iter().collect();
            let answer = node.delete(&["quarantine", id], &query, &key).await?;
            done(&answer.body, &format!("{id} is discarded"), json)?;
        }
    }

    Ok(ExitCode::SUCCESS)
}

/// Shows the list page by page; the columns are those that the first page has values for.
async fn show_all(
    node: &Node,
    filters: &[(&str, &str)],
    list: &ListArgs,
    json: bool,
) -> Result<(), ClientError> {
    let mut shown: Option<(Vec<String>, Table)> = None;

    let rest = pages::each(node, &["quarantine"], filters, list, |page| {
        if json {
            return output::print_json(page);
        }
        let entries = page.get("quarantine").map_or(&[][..], pages::rows);
        let in_views = page.get("views").map_or(&[][..], pages::rows);
        if entries.is_empty() && shown.is_none() {
            return output::print(&match in_views.is_empty() {
                true => "nothing is in quarantine".to_owned(),
                false => table_of_views(in_views),
            });
        }
        if !in_views.is_empty() {
            output::print(&table_of_views(in_views))?;
        }

        let (columns, table) = shown.get_or_insert_with(|| {
            let columns = columns(entries);
            let table = Table::new(columns.iter().map(|column| title(column)))
                .within(output::terminal_width());
            (columns, table)
        });
        let row = |entry: &Value| columns.iter().map(|name| cell(entry.get(name))).collect();
        let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
        output::print(&table.render(&rows))
    })
    .await?;

    if let Some((_, table)) = &shown {
        output::note_left_out(table);
    }
    if rest == Rest::More && !json {
        output::note("there are more: --limit N or --all shows them");
    }
    Ok(())
}

/// How many messages are in quarantine for which cause.
async fn causes(node: &Node, json: bool) -> Result<(), ClientError> {
    let path = ["quarantine", "causes"];
    let answer = node.get(&path, &[], &Freshness::AsItIs).await?.body;
    let row = |cause: &Value| {
        ["messages", "service", "view", "since", "newest", "cause"]
            .map(|name| cell(cause.get(name)))
            .to_vec()
    };
    let rows: Vec<Vec<String>> = pages::rows(&answer).iter().map(row).collect();
    // Not those that wait behind them, which a list counts.
    let titles = ["FAILED", "SERVICE", "VIEW", "SINCE", "NEWEST", "CAUSE"];
    done(&answer, &Table::new(titles).render(&rows), json)
}

async fn edit(
    node: &Node,
    id: &str,
    body: &Path,
    reason: Option<&str>,
    json: bool,
) -> Result<(), ClientError> {
    let failed = |source| ClientError::Input {
        path: body.display().to_string(),
        source,
    };
    let text = if body == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(body)
    };
    let text = text.map_err(failed)?;
    let new: Value = serde_json::from_str(&text)
        .map_err(|error| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;

    let mut request = serde_json::json!({ "body": new });
    if let (Some(reason), Some(fields)) = (reason, request.as_object_mut()) {
        fields.insert("reason".to_owned(), reason.into());
    }
    let key = Uuid::now_v7().to_string();
    let answer = node.put(&["quarantine", id], &request, &key).await?;
    let text = format!("{id} has another body; `counterfoil quarantine replay {id}` tries it");
    done(&answer.body, &text, json)
}

async fn show(node: &Node, id: &str, json: bool) -> Result<(), ClientError> {
    let path = ["quarantine", id];
    let entry = node.get(&path, &[], &Freshness::AsItIs).await?.body;
    done(&entry, &describe(&entry), json)
}

fn done(answer: &Value, text: &str, json: bool) -> Result<(), ClientError> {
    if json {
        output::print_json(answer)?
    } else {
        output::print(text)?
    };
    Ok(())
}

fn columns(entries: &[Value]) -> Vec<String> {
    let present = |name: &str| {
        entries
            .iter()
            .any(|entry| entry.get(name).is_some_and(|value| !value.is_null()))
    };

    let mut columns: Vec<String> = FIRST_COLUMNS
        .iter()
        .filter(|name| present(name))
        .map(|name| (*name).to_owned())
        .collect();

    for (name, value) in entries.iter().filter_map(Value::as_object).flatten() {
        if !value.is_object() && !value.is_array() && !columns.contains(name) {
            columns.push(name.clone());
        }
    }

    columns
}

/// `entityId` heads its column as `ENTITY ID`.
fn title(column: &str) -> String {
    let spaced = column
        .chars()
        .flat_map(|char| char.is_uppercase().then_some(' ').into_iter().chain([char]));
    spaced.collect::<String>().to_uppercase()
}

/// Plain fields under each other, then the structured ones (the message itself) as indented JSON.
pub(super) fn describe(entry: &Value) -> String {
    let Some(fields) = entry.as_object() else {
        return entry.to_string();
    };

    let (structured, plain): (Vec<_>, Vec<_>) = fields
        .iter()
        .partition(|(_, value)| value.is_object() || value.is_array());

    let mut plain: Vec<(&str, String)> = plain
        .into_iter()
        .map(|(name, value)| (name.as_str(), cell(Some(value))))
        .collect();

    plain.sort_by_key(|(name, _)| {
        FIRST_COLUMNS
            .iter()
            .position(|known| known == name)
            .unwrap_or(FIRST_COLUMNS.len())
    });

    let mut text = facts(&plain);
    for (name, value) in structured {
        text.push_str(&format!("\n{name}\n{value:#}\n"));
    }

    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn known_columns_come_first_and_unknown_plain_ones_follow() {
        let entries = [
            json!({"aFact": 1, "cause": "x", "id": "1", "payload": {}}),
            json!({"id": "2", "entityId": "c"}),
        ];
        assert_eq!(columns(&entries), ["id", "entityId", "cause", "aFact"]);
    }

    #[test]
    fn a_column_is_headed_by_the_words_of_its_field() {
        assert_eq!(title("entityId"), "ENTITY ID");
    }

    #[test]
    fn an_entry_shows_its_message_below_its_facts() {
        let text =
            describe(&json!({"cause": "boom", "id": "1", "message": {"type": "order.created"}}));
        assert_eq!(
            text,
            "id     1\ncause  boom\n\nmessage\n{\n  \"type\": \"order.created\"\n}\n"
        );
    }
}
