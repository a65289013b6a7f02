//! Waiting for a rebuild: a bar on a terminal, a plain line now and then elsewhere, both on stderr.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use tokio::time::Instant;

use super::generation;
use crate::http::{Freshness, Node};
use crate::table::cell;
use crate::{ClientError, output, pages};

const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
const BETWEEN_LINES: Duration = Duration::from_secs(5);
/// A node may be started again meanwhile: the rebuild goes on then.
const PATIENCE: Duration = Duration::from_secs(30);
const BAR: &str = "{bar:30} {percent:>3} %  {msg}  {elapsed}";
/// The bar moves in thousandths.
const WHOLE: u64 = 1_000;

/// What has become of a rebuild.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// The generation answers.
    Answers,
    /// How far it is, in thousandths and in words.
    Building(u64, String),
    /// It will not answer.
    Ended(String),
}

/// Shows how far the generation is until it answers. Succeeds only when it does.
pub(super) async fn until_it_answers(
    node: &Node,
    name: &str,
    begun: &Value,
    json: bool,
) -> Result<ExitCode, ClientError> {
    let node = node.with_patience(PATIENCE);
    let mut shown = Shown::for_stderr();
    let number = generation(begun);

    loop {
        let status = node.get(&["views"], &[], &Freshness::AsItIs).await?.body;
        match seen(&status, name, begun) {
            Seen::Building(thousandths, words) => shown.show(name, thousandths, &words),
            Seen::Answers => {
                shown.end();
                super::done(
                    begun,
                    &format!("generation {number} of {name} answers"),
                    json,
                )?;
                return Ok(ExitCode::SUCCESS);
            }
            Seen::Ended(why) => {
                shown.end();
                output::complain(&format!(
                    "generation {number} of {name} does not answer: {why}"
                ));
                return Ok(ExitCode::FAILURE);
            }
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

fn seen(status: &Value, name: &str, begun: &Value) -> Seen {
    let number = begun.get("generation");

    let Some(view) = pages::rows(status)
        .iter()
        .find(|view| view.get("name").is_some_and(|found| found == name))
    else {
        return Seen::Ended("the node has no such view".to_owned());
    };

    if view.get("generation").is_some() && view.get("generation") == number {
        return Seen::Answers;
    }

    if view.get("kept").is_some() && view.get("kept") == number {
        return Seen::Ended("it has answered, and another one does again".to_owned());
    }

    let Some(progress) = view
        .get("progress")
        .filter(|progress| progress.get("generation") == number)
    else {
        // Nothing is being built between the end of building and the swap, nor while the node reads
        // its catalog.
        let gone = view.get("progress").is_some();
        return if gone {
            Seen::Ended("another one is built".to_owned())
        } else {
            Seen::Building(WHOLE, String::new())
        };
    };

    if progress
        .get("stage")
        .is_some_and(|stage| stage == "STOPPED")
    {
        return Seen::Ended(cell(view.get("error")));
    }

    Seen::Building(thousandths(progress), in_words(progress))
}

/// `generation 2: 45 %, 1200 per second, about 9 s left`.
pub(super) fn in_words(progress: &Value) -> String {
    let stage = progress
        .get("stage")
        .and_then(Value::as_str)
        .unwrap_or_default();

    let percent = thousandths(progress) / 10;

    let speed = progress
        .get("eventsPerSecond")
        .and_then(Value::as_f64)
        .unwrap_or_default();

    let mut words = format!(
        "generation {}: {percent} %",
        cell(progress.get("generation"))
    );

    match stage {
        "STOPPED" => words.push_str(", stopped"),
        "COPYING" => words.push_str(&format!(", {speed:.0} entities per second")),
        "COMPARING" => words.push_str(&format!(
            " compared with the one that answers, {speed:.0} entities per second"
        )),
        _ => words.push_str(&format!(", {speed:.0} per second")),
    }

    if let Some(seconds) = progress.get("etaSeconds").and_then(Value::as_u64) {
        words.push_str(&format!(", about {seconds} s left"));
    }

    words
}

/// What is done of the whole, rounded down.
fn thousandths(progress: &Value) -> u64 {
    let count = |field: &str| progress.get(field).and_then(Value::as_u64).unwrap_or(0);
    count("done")
        .saturating_mul(WHOLE)
        .checked_div(count("total"))
        .unwrap_or(WHOLE)
        .min(WHOLE)
}

/// How it is shown.
enum Shown {
    Bar(ProgressBar),
    Lines { told: Option<Instant> },
}

impl Shown {
    fn for_stderr() -> Self {
        if !std::io::stderr().is_terminal() {
            return Shown::Lines { told: None };
        }
        let bar = ProgressBar::with_draw_target(Some(WHOLE), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(BETWEEN_LOOKS);
        Shown::Bar(bar)
    }

    fn show(&mut self, name: &str, thousandths: u64, words: &str) {
        match self {
            Shown::Bar(bar) => {
                bar.set_position(thousandths);
                bar.set_message(words.to_owned());
            }
            Shown::Lines { told }
                if words.is_empty() || told.is_some_and(|told| told.elapsed() < BETWEEN_LINES) => {}
            Shown::Lines { told } => {
                *told = Some(Instant::now());
                output::note(&format!("views: {name}, {words}"));
            }
        }
    }

    fn end(&self) {
        if let Shown::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen_of(view: Value) -> Seen {
        seen(
            &json!({"views": [view]}),
            "documents",
            &json!({"generation": 2}),
        )
    }

    #[test]
    fn the_template_is_valid() {
        ProgressStyle::with_template(BAR).unwrap();
    }

    #[test]
    fn a_rebuild_has_succeeded_only_when_its_generation_answers() {
        assert_eq!(
            seen_of(json!({"name": "documents", "generation": 2, "kept": 1})),
            Seen::Answers
        );

        let progress = json!({
            "generation": 2, "stage": "COPYING", "done": 5, "total": 10, "eventsPerSecond": 7.0,
        });

        let building = seen_of(json!({"name": "documents", "generation": 1, "progress": progress}));
        assert_eq!(
            building,
            Seen::Building(500, "generation 2: 50 %, 7 entities per second".to_owned())
        );

        let compared = json!({
            "generation": 2, "stage": "COMPARING", "done": 1, "total": 10, "eventsPerSecond": 7.0,
        });
        let words = "generation 2: 10 % compared with the one that answers, 7 entities per second";
        let building = seen_of(json!({"name": "documents", "generation": 1, "progress": compared}));
        assert_eq!(building, Seen::Building(100, words.to_owned()));

        assert!(matches!(
            seen_of(json!({"name": "documents", "generation": 1})),
            Seen::Building(..)
        ));
    }

    #[test]
    fn one_that_has_stopped_or_made_room_for_another_has_failed() {
        let stopped = json!({
            "name": "documents", "error": "lost",
            "progress": {"generation": 2, "stage": "STOPPED"},
        });
        assert_eq!(seen_of(stopped), Seen::Ended("lost".to_owned()));
        assert!(matches!(
            seen_of(json!({"name": "documents", "progress": {"generation": 3}})),
            Seen::Ended(_)
        ));
        assert!(matches!(
            seen_of(json!({"name": "search", "generation": 2})),
            Seen::Ended(_)
        ));
    }
}
