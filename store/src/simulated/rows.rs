//! Rows of SQLite as SeaORM takes them from a database that it does not know.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::OnceLock;

use rusqlite::types::{ToSqlOutput, Value as Bound, ValueRef};
use rusqlite::{Connection, params_from_iter};
use sea_orm::{ColumnTrait, ColumnType, Iterable, Statement, Value};
use uuid::Uuid;

use crate::tables::{action, bulk, inbox, outbox, parked, saga, shard, timer};

/// SeaORM reads tuples of up to so many columns, and finds those by their places among the sorted
/// names. In narrow rows each column is there by its place, too, and places come before names.
const TUPLE: usize = 6;

/// By name.
pub(super) type Row = BTreeMap<String, Value>;

pub(super) fn read(connection: &Connection, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
    let bound = statement.values.iter().flat_map(|values| &values.0);
    let bound = bound.map(bind).collect::<rusqlite::Result<Vec<_>>>()?;

    let mut prepared = connection.prepare_cached(&statement.sql)?;
    let columns = known_columns(&statement.sql, &prepared);
    let mut found = prepared.query(params_from_iter(bound))?;

    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let value = |column: &Column| {
            let value = column.kind.value(row.get_ref(column.index)?);
            Ok((column.key.clone(), value))
        };
        rows.push(columns.iter().map(value).collect::<rusqlite::Result<_>>()?);
    }
    Ok(rows)
}

/// A thread remembers the columns of so many statements.
const KNOWN: usize = 1_000;

/// As [`columns`], looked at once for each text: all disks of a simulation have the same tables.
fn known_columns(sql: &str, prepared: &rusqlite::Statement<'_>) -> Rc<[Column]> {
    thread_local! {
        static BY_TEXT: RefCell<HashMap<String, Rc<[Column]>>> = RefCell::default();
    }

    BY_TEXT.with_borrow_mut(|known| {
        if let Some(columns) = known.get(sql) {
            return Rc::clone(columns);
        }
        if known.len() >= KNOWN {
            known.clear();
        }
        let columns = Rc::from(columns(prepared));
        known.insert(sql.to_owned(), Rc::clone(&columns));
        columns
    })
}

/// By key, as a row has them.
fn columns(prepared: &rusqlite::Statement<'_>) -> Vec<Column> {
    let described = prepared.columns();
    let is_narrow = described.len() <= TUPLE;
    let described = described.iter().enumerate().flat_map(|(index, column)| {
        let kind = Kind::of(column.name(), column.decl_type());
        let name = Column {
            key: column.name().to_owned(),
            index,
            kind,
        };
        let place = is_narrow.then(|| Column {
            key: format!("{index:04}"),
            index,
            kind,
        });
        [place, Some(name)].into_iter().flatten()
    });

    let mut columns: Vec<_> = described.collect();
    columns.sort_by(|one, other| one.key.cmp(&other.key));
    columns
}

/// Every row of every table, as text.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut lines = Vec::new();
    for name in table_names(connection)? {
        let mut rows = connection.prepare(&format!("SELECT * FROM {name}"))?;
        let columns = rows.column_count();
        let mut rows = rows.query([])?;
        let mut of_table = Vec::new();
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|column| row.get_ref(column));
            let values = values.collect::<rusqlite::Result<Vec<_>>>()?;
            of_table.push(format!("{name} {values:?}"));
        }
        of_table.sort();
        lines.extend(of_table);
    }
    Ok(lines)
}

pub(super) fn table_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let mut names = connection.prepare(names)?;
    names.query_map([], |row| row.get(0))?.collect()
}

/// The columns of the mechanism's tables whose numbers have 32 bits: SQLite declares all alike.
fn small_columns() -> &'static BTreeSet<String> {
    fn of<C: ColumnTrait + Iterable>() -> impl Iterator<Item = String> {
        let small = |column: &C| *column.def().get_column_type() == ColumnType::Integer;
        C::iter().filter(small).map(|column| column.to_string())
    }

    static SMALL: OnceLock<BTreeSet<String>> = OnceLock::new();
    SMALL.get_or_init(|| {
        of::<outbox::Column>()
            .chain(of::<inbox::Column>())
            .chain(of::<shard::Column>())
            .chain(of::<parked::Column>())
            .chain(of::<saga::Column>())
            .chain(of::<timer::Column>())
            .chain(of::<action::Column>())
            .chain(of::<bulk::Column>())
            .collect()
    })
}

struct Column {
    key: String,
    index: usize,
    kind: Kind,
}

/// How a column is declared; the values of an expression are of no declared kind.
#[derive(Clone, Copy)]
enum Kind {
    Small,
    Uuid,
    Other,
}

impl Kind {
    fn of(name: &str, declared: Option<&str>) -> Self {
        match declared.map(str::to_ascii_lowercase).as_deref() {
            Some("integer") if small_columns().contains(name) => Kind::Small,
            Some(declared) if declared.contains("uuid") => Kind::Uuid,
            _ => Kind::Other,
        }
    }

    fn value(self, value: ValueRef<'_>) -> Value {
        match (self, value) {
            (_, ValueRef::Null) => Value::String(None),
            (Kind::Small, ValueRef::Integer(number)) => Value::Int(i32::try_from(number).ok()),
            (_, ValueRef::Integer(number)) => Value::BigInt(Some(number)),
            (_, ValueRef::Real(number)) => Value::Double(Some(number)),
            (_, ValueRef::Text(text)) => {
                Value::String(Some(String::from_utf8_lossy(text).into_owned()))
            }
            (Kind::Uuid | Kind::Other, ValueRef::Blob(bytes)) => match Uuid::from_slice(bytes) {
                Ok(id) => Value::Uuid(Some(id)),
                Err(_) => Value::Bytes(Some(bytes.to_vec())),
            },
            (_, ValueRef::Blob(bytes)) => Value::Bytes(Some(bytes.to_vec())),
        }
    }
}

fn bind(value: &Value) -> rusqlite::Result<ToSqlOutput<'static>> {
    let bound = match value {
        Value::Bool(value) => value.map(|value| Bound::Integer(i64::from(value))),
        Value::TinyInt(value) => value.map(|value| Bound::Integer(i64::from(value))),
        Value::SmallInt(value) => value.map(|value| Bound::Integer(i64::from(value))),
        Value::Int(value) => value.map(|value| Bound::Integer(i64::from(value))),
        Value::BigInt(value) => value.map(Bound::Integer),
        Value::TinyUnsigned(value) => value.map(|value| Bound::Integer(i64::from(value))),
        Value::SmallUnsigned(value) => value.map(|value| Bound::Integer(i64::from(value))),
        Value::Unsigned(value) => value.map(|value| Bound::Integer(i64::from(value))),
        Value::BigUnsigned(value) => value
            .map(|value| i64::try_from(value).map(Bound::Integer))
            .transpose()
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?,
        Value::String(value) => value.clone().map(Bound::Text),
        Value::Bytes(value) => value.clone().map(Bound::Blob),
        Value::Uuid(value) => value.map(|id| Bound::Blob(id.as_bytes().to_vec())),
        other => {
            let unknown = format!("{other:?} is not bound by any query of a store");
            return Err(rusqlite::Error::ToSqlConversionFailure(unknown.into()));
        }
    };
    Ok(ToSqlOutput::Owned(bound.unwrap_or(Bound::Null)))
}
