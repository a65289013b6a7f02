//! Many writes in few commands. The statements of a command are independent of each other, and so
//! are the commands.
//!
//! The server of this release knows no bulk over many collections, and the driver makes no command
//! of many guarded updates, so the commands are put together here.
//!
//! Commands that follow each other stand in this order in the log of one primary, so when a
//! majority has the last, it has all of them: only the last one need wait for that. It holds as
//! long as the primary is the same all along, which each answer tells; after an election in between
//! all of it is written again.

use futures_util::future::try_join;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::Database;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::raw::{CStr, cstr};
use mongodb::bson::{Document, RawArrayBuf, RawDocumentBuf, rawdoc};

use super::errors::{Refused, failed};
use crate::ViewError;
use crate::documents::unavailable;

/// A command holds at most this many statements: the server checks between statements whether it
/// must yield, and a batch of a projector is worth two cores.
const MAX_STATEMENTS: usize = 1_000;
/// A command is a document, and one holds 16 MiB at most. A statement is far smaller than the rest.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// How many commands are under way at once.
const CONCURRENCY: usize = 2;

/// What the statements of a command do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Insert,
    Update,
}

impl Kind {
    fn names(self) -> (&'static CStr, &'static CStr) {
        match self {
            Kind::Insert => (cstr!("insert"), cstr!("documents")),
            Kind::Update => (cstr!("update"), cstr!("updates")),
        }
    }
}

/// What a command waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The primary has it. A later command of the same [`Writes`] makes it durable.
    Written,
    /// A majority has it, and all commands before it.
    Durable,
}

/// The commands of one commit, one after the other.
pub(super) struct Writes<'a> {
    database: &'a Database,
    /// The election of the primary that has answered so far. A server that does not tell is one
    /// whose every command is waited for.
    primary: Option<ObjectId>,
}

impl<'a> Writes<'a> {
    pub(super) fn new(database: &'a Database) -> Self {
        Writes {
            database,
            primary: None,
        }
    }

    /// Does all statements, and gives those that the server has refused.
    ///
    /// # Errors
    /// When the server does not answer, or another one has become primary since the first command.
    pub(super) async fn write(
        &mut self,
        collection: &str,
        kind: Kind,
        statements: &[RawDocumentBuf],
        until: Until,
    ) -> Result<Vec<Refused>, ViewError> {
        let (primaries, refused) =
            run_all(self.database, collection, kind, statements, until).await?;
        if until == Until::Written && primaries.contains(&None) {
            let (_, refused) =
                run_all(self.database, collection, kind, statements, Until::Durable).await?;
            return Ok(refused);
        }

        self.told_by(primaries)?;

        Ok(refused)
    }

    /// Inserts documents and does updates of others at the same time, and gives the refused ones of
    /// both. All is durable then.
    ///
    /// # Errors
    /// As [`write`](Writes::write).
    pub(super) async fn write_both(
        &mut self,
        collection: &str,
        inserts: &[RawDocumentBuf],
        updates: &[RawDocumentBuf],
    ) -> Result<(Vec<Refused>, Vec<Refused>), ViewError> {
        let inserting = run_all(
            self.database,
            collection,
            Kind::Insert,
            inserts,
            Until::Durable,
        );

        let updating = run_all(
            self.database,
            collection,
            Kind::Update,
            updates,
            Until::Durable,
        );
        let ((one, not_inserted), (other, not_updated)) = try_join(inserting, updating).await?;
        self.told_by(one.into_iter().chain(other))?;

        Ok((not_inserted, not_updated))
    }

    /// All commands of a commit must be answered by the same primary.
    fn told_by(
        &mut self,
        primaries: impl IntoIterator<Item = Option<ObjectId>>,
    ) -> Result<(), ViewError> {
        for primary in primaries.into_iter().flatten() {
            if *self.primary.get_or_insert(primary) != primary {
                return Err(unavailable(
                    "another server has become primary during the commit",
                ));
            }
        }
        Ok(())
    }
}

async fn run_all(
    database: &Database,
    collection: &str,
    kind: Kind,
    statements: &[RawDocumentBuf],
    until: Until,
) -> Result<(Vec<Option<ObjectId>>, Vec<Refused>), ViewError> {
    let pieces = pieces_of(statements);
    let commands = stream::iter(pieces)
        .map(|(first, piece)| run(database, collection, kind, first, piece, until));
    let answers: Vec<_> = commands.buffer_unordered(CONCURRENCY).try_collect().await?;
    let (primaries, refused): (Vec<_>, Vec<Vec<Refused>>) = answers.into_iter().unzip();
    Ok((primaries, refused.into_iter().flatten().collect()))
}

/// Cuts statements into commands' worth, each with the place of its first. No piece is longer than
/// an even share, so that the commands under way end together.
fn pieces_of(statements: &[RawDocumentBuf]) -> Vec<(usize, &[RawDocumentBuf])> {
    let share = statements
        .len()
        .div_ceil(CONCURRENCY)
        .clamp(100, MAX_STATEMENTS);

    let mut pieces = Vec::new();

    let mut rest = statements;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take(share).take_while(|statement| {
            bytes += statement.as_bytes().len();
            bytes <= MAX_BYTES
        });
        let (piece, others) = rest.split_at(fitting.count().max(1));
        pieces.push((statements.len() - rest.len(), piece));
        rest = others;
    }

    pieces
}

async fn run(
    database: &Database,
    collection: &str,
    kind: Kind,
    first: usize,
    statements: &[RawDocumentBuf],
    until: Until,
) -> Result<(Option<ObjectId>, Vec<Refused>), ViewError> {
    let (name, field) = kind.names();

    let mut all = RawArrayBuf::new();
    for statement in statements {
        all.push(statement);
    }

    let mut command = RawDocumentBuf::new();
    command.append(name, collection);
    command.append(field, all);
    command.append(cstr!("ordered"), false);

    let concern = match until {
        Until::Written => rawdoc! {"w": 1},
        Until::Durable => rawdoc! {"w": "majority"},
    };
    command.append(cstr!("writeConcern"), concern);

    let answer = database.run_raw_command(command).await.map_err(failed)?;
    if let Ok(error) = answer.get_document("writeConcernError") {
        return Err(unavailable(format!("the write is not durable: {error}")));
    }

    let primary = answer.get_object_id("electionId").ok();
    let Ok(errors) = answer.get_array("writeErrors") else {
        return Ok((primary, Vec::new()));
    };

    let refused: Result<_, _> = errors
        .iter()
        .map(|error| refused(first, error.as_document()))
        .collect();

    Ok((primary, refused?))
}

fn refused(first: usize, error: Option<&Document>) -> Result<Refused, ViewError> {
    let read = || {
        let error = error?;
        let index = usize::try_from(error.get_i32("index").ok()?).ok()?;
        let message = error.get_str("errmsg").unwrap_or_default().to_owned();
        Some(Refused {
            index: first + index,
            code: error.get_i32("code").ok()?,
            message,
        })
    };
    read().ok_or_else(|| unavailable("the server's answer to a bulk of writes cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lose_nothing_and_stay_within_their_bounds() {
        let small = vec![rawdoc! {"a": 1}; 2_345];
        let large = vec![rawdoc! {"a": "x".repeat(3 * 1024 * 1024)}; 5];

        let oversized = vec![rawdoc! {"a": "x".repeat(9 * 1024 * 1024)}; 2];
        for (statements, count) in [(&small, 3), (&large, 3), (&oversized, 2), (&Vec::new(), 0)] {
            let pieces = pieces_of(statements);
            assert_eq!(pieces.len(), count);
            let mut next = 0;
            for (first, piece) in pieces {
                assert_eq!(first, next);
                assert!(!piece.is_empty() && piece.len() <= MAX_STATEMENTS);
                next += piece.len();
            }
            assert_eq!(next, statements.len());
        }
    }
}
