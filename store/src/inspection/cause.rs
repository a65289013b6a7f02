//! Sagas by their cause: a text in why they compensate, or in what one of their steps shows.
//!
//! The database finds candidates by a pattern, which is a little too wide: details stand in a JSON
//! column among other values, any character stands for one that is not ASCII, and any text of the
//! shape of an id for an id. What is read is then compared exactly; whoever lists by a pattern
//! alone lists too much.

use ::sagas::SagaData;
use sea_orm::ExprTrait;
use sea_orm::sea_query::{Expr, Func, IntoColumnRef, LikeExpr, SimpleExpr};
use uuid::Uuid;

use crate::sagas::StoredSaga;
use crate::tables::saga;

/// Not a backslash, with which JSON escapes.
const ESCAPE: char = '!';

/// A text that a cause contains, whatever its case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause(String);

impl Cause {
    /// The text, as somebody looks for it.
    #[must_use]
    pub fn containing(text: &str) -> Self {
        Cause(text.to_lowercase())
    }

    /// Whether a text contains it, with any id where it has `{id}`.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        starts.any(|at| text.get(at..).is_some_and(|rest| self.begins(rest)))
    }

    fn begins(&self, text: &str) -> bool {
        let mut rest = text;
        for (place, literal) in self.0.split(ID).enumerate() {
            let at_literal = match place {
                0 => Some(rest),
                _ => after_id(rest),
            };
            match at_literal.and_then(|rest| rest.strip_prefix(literal)) {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
        true
    }

    /// Whether a saga has it.
    pub(super) fn is_of<D: SagaData>(&self, stored: &StoredSaga<D>) -> bool {
        let saga = &stored.saga;
        let reason = saga.reason.as_ref().map(|reason| reason.name());
        let details = saga.steps.iter().filter_map(|step| step.detail.as_deref());
        reason
            .into_iter()
            .chain(details)
            .any(|text| self.is_in(text))
    }

    /// The rows of sagas that may have it.
    pub(super) fn candidates(&self) -> SimpleExpr {
        let json = serde_json::Value::from(self.0.as_str()).to_string();
        let detail = pattern(json.trim_matches('"'));

        self.is_like(saga::Column::Reason).or(is_like(
            saga::Column::Steps,
            format!("%\"detail\":\"%{detail}%"),
        ))
    }

    /// The rows whose column may contain it.
    pub(crate) fn is_like(&self, column: impl IntoColumnRef) -> SimpleExpr {
        is_like(column, format!("%{}%", pattern(&self.0)))
    }
}

fn is_like(column: impl IntoColumnRef, pattern: String) -> SimpleExpr {
    let pattern = LikeExpr::new(pattern).escape(ESCAPE);
    Expr::expr(Func::lower(Expr::col(column))).like(pattern)
}

/// A text within a pattern. Databases differ in the case of what is not ASCII, so anything may
/// stand in its place. An id that is left out is anything of its shape.
fn pattern(text: &str) -> String {
    let literals: Vec<String> = text.split(ID).map(literal_pattern).collect();
    literals.join(ANY_ID)
}

fn literal_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());

    for character in text.chars() {
        match character {
            '%' | '_' | ESCAPE => pattern.extend([ESCAPE, character]),
            character if character.is_ascii() => pattern.push(character),
            _ => pattern.push('%'),
        }
    }
    pattern
}

/// What stands for an id in a cause that is told of many.
const ID: &str = "{id}";
/// The shape of an id in a pattern.
const ANY_ID: &str = "________-____-____-____-____________";

/// What follows an id that a text begins with.
fn after_id(text: &str) -> Option<&str> {
    let id = text.get(..ANY_ID.len())?;
    Uuid::try_parse(id).ok()?;
    text.get(ANY_ID.len()..)
}

/// A cause as it is told of many: without the ids in it.
#[must_use]
pub fn without_ids(cause: &str) -> String {
    let mut told = String::with_capacity(cause.len());
    let mut rest = cause;

    while let Some(next) = rest.chars().next() {
        rest = if let Some(behind) = after_id(rest) {
            told.push_str(ID);
            behind
        } else {
            told.push(next);
            rest.get(next.len_utf8()..).unwrap_or_default()
        };
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_the_text_itself() {
        assert_eq!(pattern("timed_out"), "timed!_out");
        assert_eq!(pattern("100 % sure!"), "100 !% sure!!");
        assert_eq!(pattern("größe"), "gr%%e");
        assert_eq!(
            pattern("no saga {id} of {id}!"),
            format!("no saga {ANY_ID} of {ANY_ID}!!")
        );
    }

    #[test]
    fn causes_that_differ_in_ids_are_one() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let cause = |id| format!("order {id} is gone, or {id}");
        assert_eq!(without_ids(&cause(one)), "order {id} is gone, or {id}");
        assert_eq!(without_ids(&cause(one)), without_ids(&cause(other)));
        assert!(Cause::containing("order {id} is gone").is_in(&cause(one)));
    }

    #[test]
    fn an_id_that_is_left_out_stands_for_an_id_and_for_nothing_else() {
        let id = Uuid::from_u128(7);
        let causes = [
            format!("order {id} is gone"),
            "order 12 is gone".to_owned(),
            "the order is gone".to_owned(),
            String::new(),
        ];
        let found = |cause: &str| {
            causes
                .each_ref()
                .map(|text| Cause::containing(cause).is_in(text))
        };

        assert_eq!(found("{id}"), [true, false, false, false]);
        assert_eq!(found("ORDER {ID} is"), [true, false, false, false]);
        assert_eq!(found("{id}{id}"), [false; 4]);
        // Beside an id that is meant.
        let both = format!("order {id} waits for {}", Uuid::from_u128(8));
        assert!(Cause::containing(&format!("order {id} waits for {{id}}")).is_in(&both));
        assert!(!Cause::containing(&format!("order {{id}} waits for {id}")).is_in(&both));
    }

    #[test]
    fn case_does_not_matter() {
        assert!(Cause::containing("größe").is_in("DIE GRÖẞE".to_lowercase().as_str()));
        assert!(Cause::containing("timed").is_in("TIMED_OUT"));
        assert!(!Cause::containing("timed").is_in("stopped"));
    }
}
