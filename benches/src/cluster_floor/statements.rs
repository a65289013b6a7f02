//! What a commit writes: one statement a kind of change of a table, which takes an array a column.
//!
//! In the plain form they are sent one after the other; in the best form they are the body of one
//! stored function, so that both forms write the same rows by the same statements. `unnest` stands
//! in the list of what is selected, not among the tables: so no array is written down first.

use std::borrow::Cow;

use anyhow::{Context, bail};
use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::sqlx::{Arguments, Error};
use uuid::Uuid;

/// A statement that must change, or find, as many rows as its arrays are long.
#[derive(Debug)]
pub struct Statement {
    /// Takes `$1` and so on.
    pub sql: &'static str,
    /// The kinds of its arrays.
    pub columns: &'static [Kind],
}

/// A column's type, by PostgreSQL's name.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `uuid`.
    Uuid,
    /// `int`.
    Int,
    /// `bigint`.
    BigInt,
    /// `text`.
    Text,
    /// `bytea`.
    Bytes,
}

impl Kind {
    fn array(self) -> &'static str {
        match self {
            Kind::Uuid => "uuid[]",
            Kind::Int => "int[]",
            Kind::BigInt => "bigint[]",
            Kind::Text => "text[]",
            Kind::Bytes => "bytea[]",
        }
    }
}

/// The value of one row in one column.
#[derive(Debug)]
pub enum Value {
    /// For a column of [`Kind::Uuid`].
    Uuid(Uuid),
    /// For a column of [`Kind::Int`].
    Int(i32),
    /// For a column of [`Kind::BigInt`]; `None` is null.
    BigInt(Option<i64>),
    /// For a column of [`Kind::Text`]; `None` is null.
    Text(Option<Cow<'static, str>>),
    /// For a column of [`Kind::Bytes`].
    Bytes(Vec<u8>),
}

impl From<Uuid> for Value {
    fn from(value: Uuid) -> Self {
        Value::Uuid(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Value::Int(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::BigInt(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Value::BigInt(value)
    }
}

impl From<&'static str> for Value {
    fn from(value: &'static str) -> Self {
        Value::Text(Some(value.into()))
    }
}

impl From<Option<&'static str>> for Value {
    fn from(value: Option<&'static str>) -> Self {
        Value::Text(value.map(Cow::Borrowed))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Value::Text(value.map(Cow::Owned))
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Value::Bytes(value)
    }
}

#[derive(Debug)]
enum Column {
    Uuid(Vec<Uuid>),
    Int(Vec<i32>),
    BigInt(Vec<Option<i64>>),
    Text(Vec<Option<Cow<'static, str>>>),
    Bytes(Vec<Vec<u8>>),
}

impl Column {
    fn new(kind: Kind) -> Column {
        match kind {
            Kind::Uuid => Column::Uuid(Vec::new()),
            Kind::Int => Column::Int(Vec::new()),
            Kind::BigInt => Column::BigInt(Vec::new()),
            Kind::Text => Column::Text(Vec::new()),
            Kind::Bytes => Column::Bytes(Vec::new()),
        }
    }

    fn push(&mut self, value: Value) -> anyhow::Result<()> {
        match (self, value) {
            (Column::Uuid(values), Value::Uuid(value)) => values.push(value),
            (Column::Int(values), Value::Int(value)) => values.push(value),
            (Column::BigInt(values), Value::BigInt(value)) => values.push(value),
            (Column::Text(values), Value::Text(value)) => values.push(value),
            (Column::Bytes(values), Value::Bytes(value)) => values.push(value),
            (_, value) => bail!("{value:?} does not fit its column"),
        }
        Ok(())
    }

    fn bind(&self, bound: &mut PgArguments) -> Result<(), Error> {
        let added = match self {
            Column::Uuid(values) => bound.add(values.as_slice()),
            Column::Int(values) => bound.add(values.as_slice()),
            Column::BigInt(values) => bound.add(values.as_slice()),
            Column::Text(values) => {
                let texts: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
                bound.add(texts)
            }
            Column::Bytes(values) => bound.add(values.as_slice()),
        };
        added.map_err(Error::Encode)
    }

    fn clear(&mut self) {
        match self {
            Column::Uuid(values) => values.clear(),
            Column::Int(values) => values.clear(),
            Column::BigInt(values) => values.clear(),
            Column::Text(values) => values.clear(),
            Column::Bytes(values) => values.clear(),
        }
    }
}

/// The rows that a batch gives to one statement.
#[derive(Debug)]
pub struct Rows {
    /// What they are written by.
    pub statement: &'static Statement,
    columns: Vec<Column>,
    len: u64,
}

impl Rows {
    fn new(statement: &'static Statement) -> Rows {
        Rows {
            statement,
            columns: statement.columns.iter().copied().map(Column::new).collect(),
            len: 0,
        }
    }

    /// How many rows the statement must change.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the batch has no row for the statement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Binds the arrays behind those that are bound already.
    ///
    /// # Errors
    /// When one cannot be encoded.
    pub fn bind(&self, bound: &mut PgArguments) -> Result<(), Error> {
        self.columns
            .iter()
            .try_for_each(|column| column.bind(bound))
    }
}

/// All rows of one commit, by their statements, in the order in which these run.
#[derive(Debug)]
pub struct Batch(Vec<Rows>);

impl Batch {
    /// Without rows. The statements run in this order.
    #[must_use]
    pub fn new(statements: &[&'static Statement]) -> Batch {
        Batch(statements.iter().copied().map(Rows::new).collect())
    }

    /// Adds a row to what a statement writes.
    ///
    /// # Errors
    /// When the batch has no such statement, or the values are not those that it takes.
    pub fn push<const WIDTH: usize>(
        &mut self,
        statement: &'static Statement,
        values: [Value; WIDTH],
    ) -> anyhow::Result<()> {
        let mut all = self.0.iter_mut();
        let rows = all.find(|rows| std::ptr::eq(rows.statement, statement));
        let rows = rows.with_context(|| format!("no part of this batch: {}", statement.sql))?;
        if WIDTH != rows.columns.len() {
            bail!("{WIDTH} values for {}", statement.sql);
        }

        for (column, value) in rows.columns.iter_mut().zip(values) {
            column.push(value)?;
        }
        rows.len += 1;
        Ok(())
    }

    /// The rows of each statement, in the order of the statements; some may have none.
    pub fn rows(&self) -> impl Iterator<Item = &Rows> {
        self.0.iter()
    }

    /// Keeps the memory for the next batch.
    pub fn clear(&mut self) {
        for rows in &mut self.0 {
            rows.columns.iter_mut().for_each(Column::clear);
            rows.len = 0;
        }
    }
}

/// A statement that calls the function with all arrays of these statements.
#[must_use]
pub fn call(function: &str, statements: &[&Statement]) -> String {
    let count: usize = statements.iter().map(|one| one.columns.len()).sum();
    let places: Vec<String> = (1..=count).map(|place| format!("${place}")).collect();
    format!("SELECT {function}({})", places.join(", "))
}

/// The function that runs these statements, and fails when one does not change every row.
#[must_use]
pub fn define(function: &str, statements: &[&Statement]) -> String {
    let columns = statements.iter().flat_map(|one| one.columns);
    let parameters: Vec<&str> = columns.map(|kind| kind.array()).collect();

    let mut body = String::new();
    let mut before = 0;
    for statement in statements {
        // A query whose rows nobody takes is performed, not selected.
        let sql = match statement.sql.strip_prefix("SELECT ") {
            Some(query) => format!("PERFORM {query}"),
            None => statement.sql.to_owned(),
        };
        let sql = behind(before, &sql, statement.columns.len());
        let first = before + 1;
        body.push_str(&format!(
            "{sql}; GET DIAGNOSTICS changed = ROW_COUNT;\n\
             IF changed <> cardinality(${first}) THEN\n  \
             RAISE EXCEPTION 'only % of % rows, by statement ${first}', \
             changed, cardinality(${first});\nEND IF;\n"
        ));
        before += statement.columns.len();
    }

    format!(
        "CREATE FUNCTION {function}({}) RETURNS void LANGUAGE plpgsql AS $function$\n\
         DECLARE changed bigint; BEGIN\n{body}END $function$;\n",
        parameters.join(", ")
    )
}

/// The statement with its parameters behind `before` others. From the last to the first, so that
/// none is moved twice.
fn behind(before: usize, sql: &str, count: usize) -> String {
    (1..=count).rev().fold(sql.to_owned(), |sql, place| {
        sql.replace(
            &format!("unnest(${place})"),
            &format!("unnest(${})", place + before),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    static PAIR: Statement = Statement {
        sql: "INSERT INTO pairs (one, two, three) SELECT unnest($1), unnest($2), unnest($2)",
        columns: &[Kind::Int, Kind::Text],
    };
    static LOOK: Statement = Statement {
        sql: "SELECT 1 FROM pairs WHERE one IN (SELECT unnest($1))",
        columns: &[Kind::Int],
    };

    #[test]
    fn a_function_takes_the_arrays_of_all_its_statements() {
        let function = define("both", &[&PAIR, &LOOK]);
        assert!(function.starts_with("CREATE FUNCTION both(int[], text[], int[]) "));
        assert!(function.contains("SELECT unnest($1), unnest($2), unnest($2); "));
        assert!(function.contains("PERFORM 1 FROM pairs WHERE one IN (SELECT unnest($3)); "));
        assert!(function.contains("cardinality($3)"));
        assert_eq!(call("both", &[&PAIR, &LOOK]), "SELECT both($1, $2, $3)");
    }

    #[test]
    fn rows_are_as_wide_as_their_statement() {
        let mut batch = Batch::new(&[&PAIR]);
        batch.push(&PAIR, [1.into(), "a".into()]).unwrap();
        assert!(batch.push(&PAIR, [1.into()]).is_err());
        assert!(batch.push(&PAIR, ["a".into(), 1.into()]).is_err());
        assert!(batch.push(&LOOK, [1.into()]).is_err());
        assert_eq!(batch.rows().map(Rows::len).collect::<Vec<_>>(), [1]);
    }
}
