//! What the mappings between entities and rows share: numbers, names, and the keys that entities
//! remember.

use sagas::{Fingerprint, RequestKey, SagaId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::StoreError;

/// Looks up at most this many ids in one query, far below any database's limit of bound values.
pub(crate) const IDS_PER_QUERY: usize = 500;

/// An entity and what its row remembers of the requests that it has carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// Its state.
    pub entity: T,
    /// Of the request that made it, when it came with an `Idempotency-Key`.
    pub created_by: Option<Fingerprint>,
    /// The keys of later commands.
    pub remembered: Vec<RememberedKey>,
}

/// What the row of an entity says that its events do not, and the version at which it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Of the newest event.
    pub version: u64,
    /// Of the request that made it, when it came with an `Idempotency-Key`.
    pub created_by: Option<Fingerprint>,
    /// The keys of later commands.
    pub remembered: Vec<RememberedKey>,
}

impl Memory {
    /// Reads the columns of a row. `what` names the entity in the error.
    ///
    /// # Errors
    /// When one of them is not what it should be.
    pub fn of_columns(
        version: i64,
        request_fingerprint: Option<Uuid>,
        remembered_keys: Option<&str>,
        what: impl Fn() -> String,
    ) -> Result<Self, StoreError> {
        Ok(Memory {
            version: self::version(version, &what)?,
            created_by: request_fingerprint.map(Fingerprint),
            remembered: keys_from_column(remembered_keys, what)?,
        })
    }
}

/// A command that had an effect on an existing entity, as the entity remembers it by its
/// `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedKey {
    /// The key within its method and path.
    pub key: Uuid,
    /// Of the command: another one under the same key is refused.
    pub fingerprint: Fingerprint,
    /// The saga it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saga: Option<SagaId>,
    /// Until when its caller waited for the end, if it did: an end until then was its answer. When
    /// it was found done, that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_until: Option<Timestamp>,
}

/// What an entity remembers of a command's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// Nothing: no command with this key has had an effect.
    Nothing,
    /// The same command has had its effect, and began this saga.
    Repeated {
        /// As it was remembered.
        saga: Option<SagaId>,
        /// As it was remembered.
        waited_until: Option<Timestamp>,
    },
    /// Another command was sent with this key.
    Reused,
}

/// Looks for a command's key among those that an entity remembers.
#[must_use]
pub fn recall(remembered: &[RememberedKey], key: RequestKey, fingerprint: Fingerprint) -> Recalled {
    let key = key.as_uuid();
    match remembered.iter().find(|known| known.key == key) {
        None => Recalled::Nothing,
        Some(known) if known.fingerprint == fingerprint => Recalled::Repeated {
            saga: known.saga,
            waited_until: known.waited_until,
        },
        Some(_) => Recalled::Reused,
    }
}

/// A column of a row that does not hold what it should.
#[derive(Debug, thiserror::Error)]
#[error("its column {column}")]
pub struct UnreadableColumn {
    /// As the database knows it.
    pub column: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Says of a row that one of its columns cannot be read. `what` names the row.
#[must_use]
pub fn in_column(
    what: String,
    column: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    let source = source.into();
    StoreError::Corrupt {
        what,
        source: Box::new(UnreadableColumn { column, source }),
    }
}

/// A number as databases have it, which count with signs.
#[must_use]
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that a database has; 0 when it is negative.
#[must_use]
pub fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The version of an entity: 1 or more. `what` names the entity in the error.
///
/// # Errors
/// When it is less.
pub fn version(number: i64, what: impl Fn() -> String) -> Result<u64, StoreError> {
    let version = u64::try_from(number).ok().filter(|version| *version > 0);
    version.ok_or_else(|| StoreError::Corrupt {
        what: what(),
        source: format!("its version is {number}").into(),
    })
}

/// The column for remembered keys: absent when there are none.
#[must_use]
pub fn keys_to_column(keys: &[RememberedKey]) -> Option<String> {
    if keys.is_empty() {
        None
    } else {
        serde_json::to_string(keys).ok()
    }
}

/// Reads the column of remembered keys. `what` names the entity in the error.
///
/// # Errors
/// When it is not what [`keys_to_column`] writes.
pub fn keys_from_column(
    column: Option<&str>,
    what: impl Fn() -> String,
) -> Result<Vec<RememberedKey>, StoreError> {
    match column {
        None => Ok(Vec::new()),
        Some(json) => {
            serde_json::from_str(json).map_err(|e| in_column(what(), "remembered_keys", e))
        }
    }
}

/// What a name has been read as. `what` names the entity in the error.
///
/// # Errors
/// When it was read as nothing.
pub fn named<T>(value: Option<T>, name: &str, what: impl Fn() -> String) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::Corrupt {
        what: what(),
        source: format!("unknown name {name:?}").into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_recalled_by_its_command_and_not_given_to_another() {
        let key = |text| RequestKey::new("POST /rooms/1/guests", text);
        let fingerprint = |text: &str| Fingerprint::of(text.as_bytes());
        let saga = Some(SagaId(Uuid::now_v7()));

        let remembered = [RememberedKey {
            key: key("k1").as_uuid(),
            fingerprint: fingerprint("a"),
            saga,
            waited_until: Some(Timestamp::from_micros(5)),
        }];

        assert_eq!(
            recall(&remembered, key("k1"), fingerprint("a")),
            Recalled::Repeated {
                saga,
                waited_until: Some(Timestamp::from_micros(5)),
            }
        );

        assert_eq!(
            recall(&remembered, key("k1"), fingerprint("b")),
            Recalled::Reused
        );

        assert_eq!(
            recall(&remembered, key("k2"), fingerprint("a")),
            Recalled::Nothing
        );
    }

    #[test]
    fn a_key_that_an_earlier_release_remembers_is_read_and_waited_for_nothing() {
        let (key, fingerprint) = (Uuid::now_v7(), Uuid::now_v7());
        let former = format!(r#"[{{"key":"{key}","fingerprint":"{fingerprint}"}}]"#);
        let read = keys_from_column(Some(&former), String::new).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].saga, read[0].waited_until), (None, None));
        assert_eq!(keys_to_column(&read).as_deref(), Some(former.as_str()));
    }
}
