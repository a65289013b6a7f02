//! All statements of a batch in one call: a function of the lane's own session for each list of
//! kinds of statements that batches have. So a commit is three messages to the server and back,
//! whatever it writes: its beginning with the fence, this call, and its end; and one more for each
//! version of a message that is written for the first time.
//!
//! The functions are temporary: they go with the session, no other sees them, and no migration has
//! to know of them. A user who may make none has his statements sent one by one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sea_orm::sqlx::{self, SqlSafeStr, SqlStr};

use super::lane::Lane;
use super::parts::{Kind, Part, Values};
use super::row_statements::Statements;
use crate::database::postgres::errors::{self, Kind as Failure};

/// PostgreSQL takes as many parameters of a function.
const MAX_PARAMETERS: usize = 100;
/// As many lists of kinds have a function; under load nearly all batches have the same one.
const MAX_ROUTINES: usize = 64;

/// The functions of a session.
#[derive(Default)]
pub(super) struct Routines {
    calls: HashMap<Vec<Kind>, SqlStr>,
    /// Whether the user may make none.
    refused: bool,
}

/// A call of a function, with everything that it writes.
pub(super) struct Call {
    sql: SqlStr,
    values: Values,
}

/// Prepares a call that writes these parts. None when they have to be sent one by one, and for a
/// part that is alone.
pub(super) async fn prepare(
    lane: &mut Lane,
    statements: &mut Statements,
    parts: &[Part<'_>],
) -> Result<Option<Call>, sqlx::Error> {
    if parts.len() < 2 || lane.routines.refused {
        return Ok(None);
    }

    let mut values = Values::default();
    let mut places = Vec::with_capacity(parts.len());
    for part in parts {
        places.push(values.len());
        part.bind(&mut values)?;
    }
    if values.len() > MAX_PARAMETERS {
        return Ok(None);
    }

    let kinds: Vec<_> = parts.iter().map(Part::kind).collect();
    let made = lane.routines.calls.len();
    let entry = match lane.routines.calls.entry(kinds) {
        Entry::Occupied(call) => {
            let sql = call.get().clone();
            return Ok(Some(Call { sql, values }));
        }
        Entry::Vacant(_) if made >= MAX_ROUTINES => return Ok(None),
        Entry::Vacant(entry) => entry.into_key(),
    };

    let name = format!("pg_temp.batch_{made}");
    let body = body(parts, &places, statements);
    let types: Vec<_> = values.types().collect();
    let function = format!(
        "CREATE FUNCTION {name}({}) RETURNS void LANGUAGE plpgsql AS $batch$ {body} $batch$",
        types.join(", ")
    );
    match lane.fetch_raw(function).await {
        Ok(_) => {}
        Err(error) if errors::kind(&error) == Failure::Refused => {
            tracing::info!(
                cause = errors::text(&error),
                "the user of the database may make no temporary functions (GRANT TEMPORARY ON \
                DATABASE): a commit takes a message for each kind of row"
            );
            lane.routines.refused = true;
            return Ok(None);
        }
        Err(error) => return Err(error),
    }

    let arguments: Vec<_> = (1..=values.len())
        .map(|place| format!("${place}"))
        .collect();
    let sql: std::sync::Arc<str> = format!("SELECT {name}({})", arguments.join(", ")).into();
    let sql = sqlx::AssertSqlSafe(sql).into_sql_str();
    lane.routines.calls.insert(entry, sql.clone());
    Ok(Some(Call { sql, values }))
}

impl Call {
    /// Within the transaction under way. A row that is not at its version fails as one does that
    /// violates the integrity of its table.
    pub(super) async fn carry_out(self, lane: &mut Lane) -> Result<(), sqlx::Error> {
        lane.run(self.sql, self.values.bound).await.map(drop)
    }
}

/// The statements, one after the other. Where all rows of one must be there, it is compared with
/// how many it was given.
fn body(parts: &[Part<'_>], places: &[usize], statements: &mut Statements) -> String {
    let mut body = String::from("DECLARE rows_changed bigint; BEGIN ");
    for (part, place) in parts.iter().zip(places) {
        body.push_str(&moved(part.sql(statements).as_str(), *place));
        body.push_str("; ");
        if part.must_change().is_some() {
            let first = place + 1;
            body.push_str(&format!(
                "GET DIAGNOSTICS rows_changed = ROW_COUNT; \
                IF rows_changed <> cardinality(${first}) THEN \
                RAISE EXCEPTION 'a row is not at its version' \
                USING ERRCODE = 'integrity_constraint_violation'; END IF; "
            ));
        }
    }
    body.push_str("END");
    body
}

/// A statement whose parameters stand behind those of the ones before it.
fn moved(sql: &str, by: usize) -> String {
    let mut moved = String::with_capacity(sql.len() + 16);
    let mut rest = sql;
    while let Some((before, behind)) = rest.split_once('$') {
        let end = behind
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(behind.len());
        let (number, after) = behind.split_at(end);
        moved.push_str(before);
        moved.push('$');
        match number.parse::<usize>() {
            Ok(number) => moved.push_str(&(number + by).to_string()),
            Err(_) => moved.push_str(number),
        }
        rest = after;
    }
    moved.push_str(rest);
    moved
}

#[cfg(test)]
mod tests {
    use super::moved;

    #[test]
    fn parameters_are_counted_on() {
        assert_eq!(
            moved("SELECT $1, unnest($12)", 9),
            "SELECT $10, unnest($21)"
        );
        assert_eq!(moved("SELECT '1'", 9), "SELECT '1'");
    }
}
