//! The rows of a batch, many at once: the statements of each table, and the arrays that they take.
//!
//! `unnest` stands in the list of what is selected, not among the tables: so no array is written
//! down first.

use std::collections::{BTreeMap, HashMap};

use sea_orm::Value;
use sea_orm::sqlx::postgres::PgHasArrayType;
use sea_orm::sqlx::{self, Arguments, Encode, Postgres, SqlSafeStr, SqlStr, Type};
use uuid::Uuid;

use super::lane::Bound;
use super::parts::Values;
use crate::journal::superseding::{self, Place, Written};
use crate::mapping::signed;
use crate::row_changes::{Operation, RowChange, Table};
use crate::unit::Unit;

/// Statements of the tables that have been written to, by their names.
#[derive(Default)]
pub(super) struct Statements(HashMap<&'static str, OfTable>);

#[derive(Clone)]
struct OfTable {
    insert: SqlStr,
    replace: SqlStr,
    update: SqlStr,
    delete: SqlStr,
}

impl Statements {
    pub(super) fn of(&mut self, table: &'static Table, change: Change) -> SqlStr {
        let of_table = self
            .0
            .entry(table.name)
            .or_insert_with(|| OfTable::of(table));
        match change {
            Change::Delete => of_table.delete.clone(),
            Change::Insert => of_table.insert.clone(),
            Change::Replace => of_table.replace.clone(),
            Change::Update => of_table.update.clone(),
        }
    }
}

impl OfTable {
    fn of(table: &Table) -> Self {
        let Table {
            name,
            columns,
            changing,
            key,
            ..
        } = table;

        let inserted: Vec<_> = (1..=columns.len()).map(unnest).collect();
        let insert = format!(
            "INSERT INTO {name} ({}) SELECT {}",
            columns.join(", "),
            inserted.join(", ")
        );

        let excluded: Vec<_> = columns
            .iter()
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        let replace = format!(
            "{insert} ON CONFLICT ({key}) DO UPDATE SET {}",
            excluded.join(", ")
        );

        let set: Vec<_> = changing
            .iter()
            .map(|column| format!("{column} = new.{column}"))
            .collect();
        let values: Vec<_> = changing
            .iter()
            .zip(1..)
            .map(|(column, place)| format!("{} AS {column}", unnest(place)))
            .collect();
        let update = format!(
            "UPDATE {name} SET {} FROM (SELECT {}, {} AS row_key, {} AS expected) AS new \
            WHERE {name}.{key} = new.row_key AND {name}.version = new.expected",
            set.join(", "),
            values.join(", "),
            unnest(changing.len() + 1),
            unnest(changing.len() + 2),
        );

        OfTable {
            insert: prepared(insert),
            replace: prepared(replace),
            update: prepared(update),
            delete: prepared(format!("DELETE FROM {name} WHERE {key} = ANY($1)")),
        }
    }
}

fn unnest(place: usize) -> String {
    format!("unnest(${place})")
}

/// To be cloned without being copied.
fn prepared(sql: String) -> SqlStr {
    let shared: std::sync::Arc<str> = sql.into();
    sqlx::AssertSqlSafe(shared).into_sql_str()
}

/// What is done to rows, in the order in which it is done to rows of different keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Change {
    Delete,
    Insert,
    Replace,
    Update,
}

impl From<Operation> for Change {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Delete => Change::Delete,
            Operation::Insert => Change::Insert,
            Operation::Replace => Change::Replace,
            Operation::Update { .. } => Change::Update,
        }
    }
}

/// Rows that one statement writes.
pub(super) struct Group<'u> {
    pub table: &'static Table,
    pub change: Change,
    pub rows: Vec<Row<'u>>,
}

/// A row to be written.
#[derive(Clone, Copy)]
pub(super) struct Row<'u> {
    /// What is done, and the version that is expected.
    pub change: &'u RowChange,
    /// The values that are left in it.
    pub state: &'u RowChange,
}

/// The rows of units, in the order in which they are written. What is done to one row keeps its
/// order; rows of different keys are taken together, and are sorted, so that every transaction
/// locks them in the same order. The rows of a single unit are written one by one: then it is known
/// which of them is wrong.
pub(super) fn groups(units: &[Unit]) -> Vec<Group<'_>> {
    let mut plan = superseding::plan(units).into_iter();
    let mut rounds: HashMap<(&'static str, Uuid), usize> = HashMap::new();
    let mut groups: BTreeMap<(usize, &'static str, Change), Group<'_>> = BTreeMap::new();
    let is_single = units.len() == 1;

    for (place, row) in units.iter().flat_map(|unit| &unit.rows).enumerate() {
        let state = match plan.next().unwrap_or(Written::AsItIs) {
            Written::ByAnother => continue,
            Written::AsItIs => row,
            Written::InTheStateOf(Place { unit, row: at }) => {
                let later = units.get(unit).and_then(|unit| unit.rows.get(at));
                later.unwrap_or(row)
            }
        };

        let round = rounds.entry((row.table.name, row.key)).or_insert(0);
        let change = Change::from(row.operation);
        let group = (
            if is_single { place } else { *round },
            row.table.name,
            change,
        );
        *round += 1;

        let written = Row { change: row, state };
        groups
            .entry(group)
            .or_insert_with(|| Group {
                table: row.table,
                change,
                rows: Vec::new(),
            })
            .rows
            .push(written);
    }

    let mut groups: Vec<_> = groups.into_values().collect();
    for group in &mut groups {
        group.rows.sort_by_key(|row| row.change.key);
    }
    groups
}

impl Group<'_> {
    /// Adds what its statement binds.
    pub(super) fn bind(&self, values: &mut Values) -> Result<(), sqlx::Error> {
        if self.change != Change::Delete {
            let columns = match self.change {
                Change::Insert | Change::Replace => self.table.columns.len(),
                _ => self.table.changing.len(),
            };
            for column in 0..columns {
                add_column(values, &self.rows, column)?;
            }
        }

        if matches!(self.change, Change::Delete | Change::Update) {
            let keys: Vec<Uuid> = self.rows.iter().map(|row| row.change.key).collect();
            values.add(keys)?;
        }

        if self.change == Change::Update {
            let expected: Vec<i64> = self
                .rows
                .iter()
                .map(|row| match row.change.operation {
                    Operation::Update { expected_version } => signed(expected_version),
                    Operation::Insert | Operation::Replace | Operation::Delete => 0,
                })
                .collect();
            values.add(expected)?;
        }

        Ok(())
    }

    /// How many rows its statement must change.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.rows.len()).unwrap_or(u64::MAX)
    }
}

/// The values of all rows in one column, as an array.
fn add_column(to: &mut Values, rows: &[Row<'_>], column: usize) -> Result<(), sqlx::Error> {
    let values = || rows.iter().map(|row| row.state.values.get(column));
    let first = values().next().flatten();

    match first {
        Some(Value::Uuid(_)) => add_values(to, values(), |value| match value {
            Value::Uuid(value) => Some(*value),
            _ => None,
        }),
        Some(Value::String(_)) => add_values(to, values(), |value| match value {
            Value::String(value) => Some(value.as_deref()),
            _ => None,
        }),
        Some(Value::BigInt(_)) => add_values(to, values(), |value| match value {
            Value::BigInt(value) => Some(*value),
            _ => None,
        }),
        Some(Value::Int(_)) => add_values(to, values(), |value| match value {
            Value::Int(value) => Some(*value),
            _ => None,
        }),
        other => Err(no_such_value(other)),
    }
}

fn add_values<'v, T>(
    to: &mut Values,
    values: impl Iterator<Item = Option<&'v Value>>,
    of: impl Fn(&'v Value) -> Option<Option<T>>,
) -> Result<(), sqlx::Error>
where
    Vec<Option<T>>: Encode<'v, Postgres> + Type<Postgres>,
    T: PgHasArrayType,
{
    let array: Vec<Option<T>> = values
        .map(|value| value.and_then(&of).ok_or_else(|| no_such_value(value)))
        .collect::<Result<_, _>>()?;
    to.add(array)
}

fn no_such_value(value: Option<&Value>) -> sqlx::Error {
    sqlx::Error::Encode(format!("no column of the journal holds {value:?}").into())
}

pub(super) fn add<'t, T>(bound: &mut Bound, value: T) -> Result<(), sqlx::Error>
where
    T: Encode<'t, Postgres> + Type<Postgres>,
{
    bound.add(value).map_err(sqlx::Error::Encode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::{self, row, shard};
    use crate::row_changes::Journaled;
    use crate::tables::entity;

    fn unit(rows: Vec<RowChange>) -> Unit {
        Unit {
            rows,
            ..testing::unit(shard(0), 1, 1)
        }
    }

    #[test]
    fn statements_follow_the_entity() {
        let of_table = OfTable::of(entity::Model::table());
        assert_eq!(
            of_table.insert,
            "INSERT INTO entities (entity_id, version, state, created_at, updated_at, \
            request_fingerprint, remembered_keys) SELECT unnest($1), unnest($2), unnest($3), \
            unnest($4), unnest($5), unnest($6), unnest($7)"
        );
        assert_eq!(
            of_table.update,
            "UPDATE entities SET version = new.version, state = new.state, \
            updated_at = new.updated_at, remembered_keys = new.remembered_keys FROM \
            (SELECT unnest($1) AS version, unnest($2) AS state, unnest($3) AS updated_at, \
            unnest($4) AS remembered_keys, unnest($5) AS row_key, unnest($6) AS expected) AS new \
            WHERE entities.entity_id = new.row_key AND entities.version = new.expected"
        );
    }

    /// The changes of each group with the last figures of its keys.
    fn shape(units: &[Unit]) -> Vec<(Change, Vec<u128>)> {
        let of = |group: Group<'_>| {
            let keys = group.rows.iter().map(|row| row.change.key.as_u128());
            (group.change, keys.collect())
        };
        groups(units).into_iter().map(of).collect()
    }

    #[test]
    fn rows_of_different_keys_go_together_and_those_of_one_key_keep_their_order() {
        let units = [
            unit(vec![row(7, 2).update_from(1)]),
            unit(vec![row(3, 1).insert()]),
            unit(vec![row(3, 2).update_from(1)]),
            unit(vec![row(7, 2).delete()]),
            unit(vec![row(7, 1).insert()]),
            unit(vec![row(2, 5).update_from(4)]),
        ];
        assert_eq!(
            shape(&units),
            [
                (Change::Insert, vec![3]),
                (Change::Update, vec![2, 7]),
                (Change::Delete, vec![7]),
                (Change::Update, vec![3]),
                (Change::Insert, vec![7]),
            ]
        );
    }

    #[test]
    fn a_single_unit_is_written_row_by_row() {
        let units = [unit(vec![row(2, 1).insert(), row(1, 1).insert()])];
        assert_eq!(
            shape(&units),
            [(Change::Insert, vec![2]), (Change::Insert, vec![1])]
        );
    }
}
