//! Queries that are asked so often that building their text would cost more than answering them.

use std::sync::OnceLock;

use sea_orm::{DbBackend, EntityTrait, QueryTrait, Select, Statement, Value};

/// A query whose text is always the same, and only what it is bound to differs. The tables'
/// entities describe it, once for each kind of database.
#[derive(Debug)]
pub(crate) struct FixedQuery {
    in_a_file: OnceLock<String>,
    on_a_server: OnceLock<String>,
}

impl FixedQuery {
    pub(crate) const fn new() -> Self {
        FixedQuery {
            in_a_file: OnceLock::new(),
            on_a_server: OnceLock::new(),
        }
    }

    /// The query with these values, in the order in which `described` binds them.
    pub(crate) fn bound<E: EntityTrait>(
        &self,
        backend: DbBackend,
        values: impl IntoIterator<Item = Value>,
        described: impl Fn() -> Select<E>,
    ) -> Statement {
        let text = match backend {
            DbBackend::Postgres => &self.on_a_server,
            _ => &self.in_a_file,
        };
        let sql = text.get_or_init(|| described().build(backend).sql);
        let statement = Statement::from_sql_and_values(backend, sql, values);

        debug_assert_eq!(
            statement,
            described().build(backend),
            "these values are not those of the description"
        );
        statement
    }
}
