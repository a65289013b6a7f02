//! Changes of rows, as the journal takes them: values in the order of the entity's columns, with
//! statements derived from the SeaORM entity once.
//!
//! The journal writes below SeaORM, by prepared statements row by row, because that is three times
//! as fast as building multi-row statements (see benches/README.md); this module keeps the entity
//! the only description of a table.

use sea_orm::{
    ActiveModelTrait, ActiveValue, EntityName, EntityTrait, IdenStatic, IntoActiveModel, Iterable,
    ModelTrait, PrimaryKeyToColumn, Value,
};
use uuid::Uuid;

use crate::tables::{action, bulk, entity, entity_snapshot, parked, saga};

/// One table: its statements for one row at a time, and its columns, of which a store makes
/// statements for many.
#[derive(Debug)]
pub struct Table {
    /// As the database knows it.
    pub name: &'static str,
    /// All columns.
    pub insert: String,
    /// All columns, in the place of a row of the same key.
    pub replace: String,
    /// The changing columns, where key and version are as expected.
    pub update: String,
    /// By key.
    pub delete: String,
    /// Where the version stands among the values of an update.
    pub version: Option<usize>,
    /// All columns, in the order in which an insert has their values.
    pub columns: Vec<&'static str>,
    /// The columns that an update sets, in the order of its values.
    pub changing: Vec<&'static str>,
    /// The column of the primary key.
    pub key: &'static str,
}

/// What is done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The row is new.
    Insert,
    /// Only if the row is still at this version.
    Update {
        /// The version that the row has before.
        expected_version: u64,
    },
    /// The row is this one, whatever was there.
    Replace,
    /// The row goes.
    Delete,
}

/// One row to write.
#[derive(Clone, Debug)]
pub struct RowChange {
    /// Whose row it is.
    pub table: &'static Table,
    /// What is done to it.
    pub operation: Operation,
    /// Its primary key.
    pub key: Uuid,
    /// What the statement binds before the key.
    pub values: Vec<Value>,
}

impl RowChange {
    /// The version at which an update leaves the row.
    #[must_use]
    pub fn new_version(&self) -> Option<u64> {
        match self.values.get(self.table.version?)? {
            Value::BigInt(Some(version)) => u64::try_from(*version).ok(),
            _ => None,
        }
    }
}

/// An entity whose rows the journal writes. Its key is one UUID column.
pub trait Journaled:
    ModelTrait + IntoActiveModel<<<Self as ModelTrait>::Entity as EntityTrait>::ActiveModel>
{
    /// Columns that an update leaves alone.
    const FIXED: &'static [<Self::Entity as EntityTrait>::Column];

    /// The statements of its table, made once.
    fn table() -> &'static Table;

    /// The columns that an update sets, found out once.
    fn changing() -> &'static [<Self::Entity as EntityTrait>::Column];

    /// The value of its key.
    fn key(&self) -> Uuid;

    /// The row as a new one.
    fn insert(self) -> RowChange {
        RowChange {
            table: Self::table(),
            operation: Operation::Insert,
            key: self.key(),
            values: values(self, <Self::Entity as EntityTrait>::Column::iter()),
        }
    }

    /// The row in the place of whatever is there under its key. For what is disposable: whoever
    /// cares for versions compares them.
    fn replace(self) -> RowChange {
        RowChange {
            operation: Operation::Replace,
            ..self.insert()
        }
    }

    /// The row as it is now, where it still has this version.
    fn update(self, expected_version: u64) -> RowChange {
        RowChange {
            table: Self::table(),
            operation: Operation::Update { expected_version },
            key: self.key(),
            values: values(self, Self::changing().iter().copied()),
        }
    }

    /// The row of this key, gone.
    fn delete(key: Uuid) -> RowChange {
        RowChange {
            table: Self::table(),
            operation: Operation::Delete,
            key,
            values: Vec::new(),
        }
    }
}

fn key_column<M: Journaled>() -> Option<<M::Entity as EntityTrait>::Column> {
    <M::Entity as EntityTrait>::PrimaryKey::iter()
        .next()
        .map(PrimaryKeyToColumn::into_column)
}

/// The columns that an update sets, for [`journaled!`](crate::journaled).
#[must_use]
pub fn changing_columns<M: Journaled>() -> Vec<<M::Entity as EntityTrait>::Column> {
    let key = key_column::<M>().map(|column| column.as_str());
    let changes = |column: &<M::Entity as EntityTrait>::Column| {
        let name = column.as_str();
        Some(name) != key && M::FIXED.iter().all(|fixed| fixed.as_str() != name)
    };
    <M::Entity as EntityTrait>::Column::iter()
        .filter(changes)
        .collect()
}

/// The values of some columns, moved out of the row.
fn values<M: Journaled>(
    row: M,
    columns: impl Iterator<Item = <M::Entity as EntityTrait>::Column>,
) -> Vec<Value> {
    let mut row = row.into_active_model();
    let value = |column| match row.take(column) {
        ActiveValue::Set(value) | ActiveValue::Unchanged(value) => value,
        // A row that was made as a whole has all of them.
        ActiveValue::NotSet => Value::BigInt(None),
    };
    columns.map(value).collect()
}

impl Table {
    /// The statements of an entity's table; see [`journaled!`](crate::journaled).
    #[must_use]
    pub fn of<M: Journaled>() -> Self {
        let name = M::Entity::default().table_name();

        let all: Vec<_> = <M::Entity as EntityTrait>::Column::iter()
            .map(|column| column.as_str())
            .collect();

        let changing: Vec<_> = M::changing().iter().map(|column| column.as_str()).collect();
        let set: Vec<_> = changing
            .iter()
            .map(|column| format!("{column} = ?"))
            .collect();

        let key = key_column::<M>().map_or("", |column| column.as_str());
        let marks = vec!["?"; all.len()].join(", ");
        let row = format!("INTO {name} ({}) VALUES ({marks})", all.join(", "));

        Table {
            name,
            insert: format!("INSERT {row}"),
            replace: format!("INSERT OR REPLACE {row}"),
            update: format!(
                "UPDATE {name} SET {} WHERE {key} = ? AND version = ?",
                set.join(", ")
            ),
            delete: format!("DELETE FROM {name} WHERE {key} = ?"),
            version: changing.iter().position(|column| *column == "version"),
            columns: all,
            changing,
            key,
        }
    }
}

/// Has the journal write the rows of a SeaORM entity: names the module of the entity, the field of
/// its key, and the columns that never change.
///
/// ```ignore
/// store::journaled!(room, room_id, fixed: [Number, CreatedAt]);
/// ```
#[macro_export]
macro_rules! journaled {
    ($table:ident, $key:ident, fixed: [$($fixed:ident),* $(,)?]) => {
        impl $crate::row_changes::Journaled for $table::Model {
            const FIXED: &'static [$table::Column] = &[$($table::Column::$fixed),*];

            fn table() -> &'static $crate::row_changes::Table {
                static TABLE: ::std::sync::OnceLock<$crate::row_changes::Table> =
                    ::std::sync::OnceLock::new();
                TABLE.get_or_init($crate::row_changes::Table::of::<$table::Model>)
            }

            fn changing() -> &'static [$table::Column] {
                static CHANGING: ::std::sync::OnceLock<Vec<$table::Column>> =
                    ::std::sync::OnceLock::new();
                CHANGING.get_or_init($crate::row_changes::changing_columns::<$table::Model>)
            }

            fn key(&self) -> ::uuid::Uuid {
                self.$key
            }
        }
    };
}

journaled!(entity, entity_id, fixed: [CreatedAt, RequestFingerprint]);
journaled!(entity_snapshot, entity_id, fixed: []);
journaled!(action, action_id, fixed: [
    Shard, Action, SubjectId, EntityId, DoneBy, Reason, Time, Detail, RequestKey, RequestFingerprint
]);
journaled!(bulk, request_key, fixed: [RequestFingerprint, Shard, Time, Found]);
journaled!(saga, saga_id, fixed: [Kind, Shard, EntityId, StartedAt, Deadline]);
journaled!(parked, message_id, fixed: [
    Shard, EntityId, Place, SourceService, SourceShard, SourceSequence, Name, TypeVersion,
    CorrelationId, SagaId, SagaStep, SagaAttempt, Time, ParkedAt
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_follow_the_entity() {
        let table = entity::Model::table();
        assert_eq!(
            table.insert,
            "INSERT INTO entities (entity_id, version, state, created_at, updated_at, \
            request_fingerprint, remembered_keys) VALUES (?, ?, ?, ?, ?, ?, ?)"
        );
        assert_eq!(
            table.replace,
            table.insert.replacen("INSERT", "INSERT OR REPLACE", 1)
        );
        assert_eq!(table.delete, "DELETE FROM entities WHERE entity_id = ?");
    }

    #[test]
    fn what_never_changes_is_not_written_again() {
        assert_eq!(
            entity::Model::table().update,
            "UPDATE entities SET version = ?, state = ?, updated_at = ?, remembered_keys = ? \
            WHERE entity_id = ? AND version = ?"
        );
    }

    #[test]
    fn an_update_knows_the_version_it_leaves() {
        assert_eq!(entity::Model::table().version, Some(0));
    }
}
