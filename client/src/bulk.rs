//! One action on many sagas, parked messages or entities in views: asks again until nothing is left
//! of what the filter finds.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::args::BulkArgs;
use super::http::Node;
use super::{ClientError, output};

/// So many at once: a node takes no more.
const AT_ONCE: u32 = 500;

/// What a node has done of what was asked for.
#[derive(Debug, Deserialize)]
struct Part {
    matched: u64,
    done: u64,
    refused: u64,
    #[serde(default)]
    refusals: Vec<Refusal>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    id: String,
    detail: String,
}

/// What has become of all of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    matched: u64,
    done: u64,
    refused: u64,
}

impl Sum {
    fn add(&mut self, part: &Part) {
        self.matched += part.matched;
        self.done += part.done;
        self.refused += part.refused;
    }

    /// Something that was asked for has not happened.
    fn exit_code(&self) -> ExitCode {
        match self.refused {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }

    fn text(&self, what: &str, dry_run: bool) -> String {
        let Sum {
            matched,
            done,
            refused,
        } = self;
        if dry_run {
            format!("{matched} {what} would be meant; nothing was done")
        } else {
            format!("{matched} {what} matched, {done} done, {refused} refused")
        }
    }
}

/// Does something to all that a filter finds, and fails when some of it was refused. `path` is what
/// stands before `bulk`, and `what` how they are called in the plural.
pub(super) async fn run(
    node: &Node,
    (path, what): (&[&str], &str),
    action: &str,
    filter: &[(&'static str, &str)],
    args: &BulkArgs,
    as_json: bool,
) -> Result<ExitCode, ClientError> {
    let mut sum = Sum::default();
    let mut cursor: Option<String> = None;

    loop {
        let left = args
            .limit
            .map(|limit| u64::from(limit).saturating_sub(sum.matched));
        let limit = left.map_or(u64::from(AT_ONCE), |left| left.min(u64::from(AT_ONCE)));
        let body = body(action, filter, args, limit, cursor.as_deref());

        // A key of its own per part makes its repeats safe.
        let key = Uuid::now_v7().to_string();
        let path = [path, &["bulk"]].concat();
        let answer = node.post(&path, &body, &key, None).await?;
        if as_json {
            output::print_json(&answer.body)?;
        }

        let part: Part = answer.read()?;
        sum.add(&part);
        if !as_json {
            for Refusal { id, detail } in &part.refusals {
                output::print(&format!("{id}: {detail}"))?;
            }
        }

        let is_enough = args
            .limit
            .is_some_and(|limit| sum.matched >= u64::from(limit));
        cursor = part.next;
        if cursor.is_none() || is_enough {
            break;
        }
    }

    if !as_json {
        output::print(&sum.text(what, args.dry_run))?;
        if cursor.is_some() {
            output::note("there are more: a larger --limit, or none, goes on");
        }
    }
    Ok(sum.exit_code())
}

fn body(
    action: &str,
    filter: &[(&'static str, &str)],
    args: &BulkArgs,
    limit: u64,
    cursor: Option<&str>,
) -> Value {
    let filter: Map<String, Value> = filter
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();

    let mut body = json!({
        "action": action,
        "filter": filter,
        "dryRun": args.dry_run,
        "limit": limit,
    });
    let optional = [("reason", args.reason.as_deref()), ("cursor", cursor)];
    if let Some(fields) = body.as_object_mut() {
        for (name, value) in optional {
            fields.extend(value.map(|value| (name.to_owned(), json!(value))));
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_what_was_given_and_nothing_else() {
        let args = BulkArgs {
            dry_run: true,
            reason: None,
            limit: None,
        };
        assert_eq!(
            body("retry", &[("type", "create-order")], &args, 500, Some("c")),
            json!({
                "action": "retry", "filter": {"type": "create-order"}, "dryRun": true,
                "limit": 500, "cursor": "c"
            })
        );
    }

    #[test]
    fn what_is_done_is_summed_up() {
        let mut sum = Sum::default();
        for next in [Some("c".to_owned()), None] {
            sum.add(&Part {
                matched: 3,
                done: 2,
                refused: 1,
                refusals: Vec::new(),
                next,
            });
        }
        assert_eq!(
            sum.text("sagas", false),
            "6 sagas matched, 4 done, 2 refused"
        );
    }

    #[test]
    fn a_refusal_shows_in_the_exit_code() {
        let code = |refused| {
            let sum = Sum {
                matched: 3,
                done: 3 - refused,
                refused,
            };
            format!("{:?}", sum.exit_code())
        };
        let expected = |code: ExitCode| format!("{code:?}");
        assert_eq!(code(0), expected(ExitCode::SUCCESS));
        assert_eq!(code(1), expected(ExitCode::FAILURE));
        assert_eq!(code(3), expected(ExitCode::FAILURE));
    }
}
