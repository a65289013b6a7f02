//! Rows of SQLite as SeaORM takes them from a database that it does not know.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::OnceLock;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};
use sea_orm::{ColumnTrait, ColumnType, Iterable, Statement, Value};
use uuid::Uuid;

use crate::tables::{action, bulk, inbox, outbox, parked, saga, shard, timer};

/// SeaORM reads tuples of up to this many columns, and finds those by their places among the sorted
/// names. In narrow rows each column is there by its place, too, and places come before names;
/// unless they are rows of a whole table, which are read by their names.
const TUPLE: usize = 6;

/// By name.
pub(super) type Row = BTreeMap<Key, Value>;

/// The key of a column. All rows share its text, until SeaORM makes one of its own of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Among the keys of its row, whose texts need not be compared then.
    place: usize,
    text: Rc<str>,
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        String::from(&*key.text)
    }
}

pub(super) fn read(connection: &Connection, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    let columns = known_columns(&statement.sql, &prepared);
    let bound = statement.values.iter().flat_map(|values| &values.0);
    let mut found = prepared.query(params_from_iter(bound.map(Bindable)))?;

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

/// A thread remembers the columns of this many statements.
const KNOWN: usize = 1_000;

/// As [`columns`], looked at once for each text: all disks of a simulation have the same tables.
fn known_columns(sql: &str, prepared: &rusqlite::Statement<'_>) -> Rc<[Column]> {
    thread_local! {
        static BY_TEXT: RefCell<foldhash::HashMap<String, Rc<[Column]>>> = RefCell::default();
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
    let names: Vec<&str> = described.iter().map(rusqlite::Column::name).collect();
    let is_narrow = names.len() <= TUPLE && !narrow_tables().iter().any(|table| *table == names);

    let described = described.iter().enumerate().flat_map(|(index, column)| {
        let kind = Kind::of(column.name(), column.decl_type());
        let place = is_narrow.then(|| (format!("{index:04}"), index, kind));
        let name = (column.name().to_owned(), index, kind);
        [place, Some(name)].into_iter().flatten()
    });
    let mut described: Vec<_> = described.collect();
    described.sort_by(|(one, ..), (other, ..)| one.cmp(other));

    let keyed = described.into_iter().enumerate();
    let column = |(place, (text, index, kind)): (usize, (String, usize, Kind))| Column {
        key: Key {
            place,
            text: text.into(),
        },
        index,
        kind,
    };
    keyed.map(column).collect()
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

/// The columns of the narrow tables that are read most.
fn narrow_tables() -> &'static [Vec<String>; 2] {
    fn of<C: ColumnTrait + Iterable>() -> Vec<String> {
        C::iter().map(|column| column.to_string()).collect()
    }

    static NARROW: OnceLock<[Vec<String>; 2]> = OnceLock::new();
    NARROW.get_or_init(|| [of::<inbox::Column>(), of::<timer::Column>()])
}

struct Column {
    key: Key,
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
            (_, ValueRef::Text(text)) => Value::String(Some(match std::str::from_utf8(text) {
                Ok(text) => text.to_owned(),
                Err(_) => String::from_utf8_lossy(text).into_owned(),
            })),
            (Kind::Uuid | Kind::Other, ValueRef::Blob(bytes)) => match Uuid::from_slice(bytes) {
                Ok(id) => Value::Uuid(Some(id)),
                Err(_) => Value::Bytes(Some(bytes.to_vec())),
            },
            (_, ValueRef::Blob(bytes)) => Value::Bytes(Some(bytes.to_vec())),
        }
    }
}

/// A value of SeaORM's, as SQLite takes it.
struct Bindable<'a>(&'a Value);

impl ToSql for Bindable<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let integer = |number: Option<i64>| number.map(ValueRef::Integer);
        let bound = match self.0 {
            Value::Bool(value) => integer(value.map(i64::from)),
            Value::TinyInt(value) => integer(value.map(i64::from)),
            Value::SmallInt(value) => integer(value.map(i64::from)),
            Value::Int(value) => integer(value.map(i64::from)),
            Value::BigInt(value) => integer(*value),
            Value::TinyUnsigned(value) => integer(value.map(i64::from)),
            Value::SmallUnsigned(value) => integer(value.map(i64::from)),
            Value::Unsigned(value) => integer(value.map(i64::from)),
            Value::BigUnsigned(value) => integer(
                value
                    .map(i64::try_from)
                    .transpose()
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?,
            ),
            Value::String(value) => value.as_ref().map(|text| ValueRef::Text(text.as_bytes())),
            Value::Bytes(value) => value.as_ref().map(|bytes| ValueRef::Blob(bytes)),
            Value::Uuid(value) => value.as_ref().map(|id| ValueRef::Blob(id.as_bytes())),
            other => {
                let unknown = format!("{other:?} is not bound by any query of a store");
                return Err(rusqlite::Error::ToSqlConversionFailure(unknown.into()));
            }
        };
        Ok(ToSqlOutput::Borrowed(bound.unwrap_or(ValueRef::Null)))
    }
}
