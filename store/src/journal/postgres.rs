//! The commit store on a PostgreSQL server, on one connection of its own: the lane.
//!
//! A batch is one transaction. It begins by locking the epoch rows of its shards, in the order of
//! their numbers, before it writes anything: from then on what it has compared stays true until it
//! ends, and a claim waits for it. Rows are written many at once, each kind of change of a table in
//! one statement that takes arrays (`rows`, `parts`), and all statements in one call (`routine`). A
//! batch of which something is wrong is rolled back,
//! and its culprit is looked for in a transaction that is never committed (`culprit`).
//!
//! Whatever else fails, the lane is dropped: the server then undoes what was under way. What failed
//! before the commit was sent has not happened, and is done again on a new connection when only the
//! connection was to blame. A commit that was sent and not answered may have happened or not: the
//! server is asked about its transaction by number (`outcome`), on another connection.
//!
//! The lock on an epoch row is `FOR NO KEY UPDATE`, not the weaker `FOR SHARE`: a batch that notes
//! what is published writes to the same rows, and two that share a lock and then want to write wait
//! for each other. One owner writes for a shard, so nobody else is kept waiting by it.

mod batch;
mod claim;
mod culprit;
mod fence;
mod lane;
mod outcome;
mod parts;
mod pruning;
mod routine;
mod row_statements;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::FutureExt;
use sagas::{Service, ShardId};
use sea_orm::sqlx::{self, Arguments};
use tokio::time::Instant;

use super::commit_store::{
    Batch, Claim, CommitStore, Failure, Gathering, Prune, Pruned, StoreAnswer,
};
use super::noted_versions::{self, NOTE};
use super::standing::Patience;
use crate::StoreError;
use crate::database::PostgresAddress;
use crate::database::postgres::errors::{self, Kind};
use crate::faults::{AfterCommit, Faults};
use batch::Refusal;
use lane::{Bound, Lane, Lanes};
use outcome::{BatchOutcome, InDoubt};
use row_statements::Statements;

/// A batch is begun at most this many times, when what was in its way has gone.
const ATTEMPTS: u32 = 3;
/// A server that has let us in is given this long, also when the store stands still and the
/// journal is less patient: a server that is far away needs it for each of its answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A service's database on a server.
pub struct PostgresStore {
    service: Service,
    address: PostgresAddress,
    faults: Faults,
    lanes: Lanes,
    statements: Statements,
    /// Of the batch that was begun last.
    outcome: BatchOutcome,
}

/// Why a transaction has not been carried out.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection, or the server. Nothing has happened, unless the commit was sent.
    Sql(sqlx::Error),
    /// The server has not answered in time.
    Late,
    /// Anything else, which another attempt does not mend.
    Store(StoreError),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Trouble::Sql(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Trouble::Store(error)
    }
}

impl Trouble {
    /// Whether the same may succeed at once, on a new connection.
    fn is_over(&self) -> bool {
        let Trouble::Sql(error) = self else {
            return false;
        };
        matches!(errors::kind(error), Kind::Lost | Kind::Contended)
    }

    pub(super) fn into_error(self, service: Service) -> StoreError {
        match self {
            Trouble::Sql(error) => failure(service, &error),
            Trouble::Late => StoreError::Write {
                what: service.to_string(),
                transient: true,
                source: "it has not answered in time".into(),
            },
            Trouble::Store(error) => error,
        }
    }
}

/// What is noted of a version, bound.
fn bound_note(version: (&&str, &u16)) -> Result<Bound, Trouble> {
    let (name, value) = noted_versions::setting(version);
    let mut bound = Bound::default();
    for text in [name, value] {
        let added = bound.add(text);
        added.map_err(|error| Trouble::Sql(sqlx::Error::Encode(error)))?;
    }
    Ok(bound)
}

/// The database fails, unless it says that it cannot take these data.
fn failure(service: Service, error: &sqlx::Error) -> StoreError {
    StoreError::Write {
        what: service.to_string(),
        transient: errors::kind(error) != Kind::Data,
        source: errors::text(error).into(),
    }
}

impl PostgresStore {
    /// The commit store of a database whose schema is there. It connects when it is needed, and
    /// again whenever it has to.
    #[must_use]
    pub fn new(service: Service, address: PostgresAddress, faults: Faults) -> Self {
        PostgresStore {
            service,
            lanes: Lanes::new(service, address.clone()),
            address,
            faults,
            statements: Statements::default(),
            outcome: BatchOutcome::NotWritten,
        }
    }

    /// Does `work` on the lane, within the time there is. Whatever fails drops the lane.
    async fn on_lane<T>(
        lanes: &mut Lanes,
        patience: &Patience,
        work: impl AsyncFnOnce(&mut Lane) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut lane = lanes.take(patience).await?;

        let until = patience.ends().max(Instant::now() + ANSWER_WITHIN);
        let done = tokio::time::timeout_at(until, work(&mut lane))
            .await
            .unwrap_or(Err(Trouble::Late))?;

        lanes.put_back(lane);
        Ok(done)
    }

    /// The same, and once more when only the connection was to blame, or others were in the way.
    async fn repeatedly<T>(
        lanes: &mut Lanes,
        patience: &Patience,
        mut work: impl AsyncFnMut(&mut Lane) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut attempts = 1;
        loop {
            match Self::on_lane(lanes, patience, &mut work).await {
                Err(trouble) if trouble.is_over() && attempts < ATTEMPTS && !patience.is_over() => {
                    attempts += 1;
                }
                done => return done,
            }
        }
    }

    async fn take_over(
        &mut self,
        shard: ShardId,
        owner: &str,
        held: Option<u64>,
        patience: &Patience,
    ) -> Result<Claim, StoreError> {
        let service = self.service;
        Self::repeatedly(&mut self.lanes, patience, async |lane| {
            claim::take_over(lane, shard, owner, held).await
        })
        .await
        .map_err(|trouble| trouble.into_error(service))
    }

    async fn commit(&mut self, batch: &Batch<'_>, patience: &Patience) -> Result<(), Failure> {
        let mut attempts = 1;
        loop {
            self.outcome = BatchOutcome::NotWritten;
            let trouble = match self.attempt(batch, patience).await {
                Ok(Ok(after_commit)) => {
                    self.outcome = BatchOutcome::Written;
                    after_commit.reached();
                    return Ok(());
                }
                Ok(Err(Refusal { index, error })) => return Err(Failure::Unit { index, error }),
                Err(trouble) => trouble,
            };

            let is_in_doubt = matches!(self.outcome, BatchOutcome::InDoubt(_));
            let again = trouble.is_over() && attempts < ATTEMPTS && !patience.is_over();
            if !is_in_doubt && again {
                attempts += 1;
                continue;
            }

            let error = trouble.into_error(self.service);
            return Err(if is_in_doubt {
                Failure::Unknown(error)
            } else {
                Failure::Store(error)
            });
        }
    }

    /// Writes a batch, or says which of its units is wrong.
    async fn attempt(
        &mut self,
        batch: &Batch<'_>,
        patience: &Patience,
    ) -> Result<Result<AfterCommit, Refusal>, Trouble> {
        let PostgresStore {
            service,
            faults,
            lanes,
            statements,
            outcome,
            ..
        } = self;

        Self::on_lane(lanes, patience, async |lane| {
            if batch.changes_nothing() && !batch.units.is_empty() {
                let held = fence::look(lane, *service, batch).await?;
                return Ok(held.map(|()| AfterCommit::default()));
            }

            let transaction = match batch::write(lane, statements, *service, batch).await? {
                Ok(transaction) => transaction,
                Err(refusal) => return Ok(Err(refusal)),
            };

            // Behind everything else that waits for other nodes, so nobody waits in a circle.
            let versions = lane.noted.missing(batch.units);
            for version in &versions {
                lane.run(NOTE, bound_note(version)?).await?;
            }

            let after_commit = faults.before_commit()?;
            *outcome = BatchOutcome::InDoubt(InDoubt {
                transaction,
                timeline: lane.timeline.clone(),
            });
            lane.execute("COMMIT").await?;
            lane.noted.noted(versions);
            Ok(Ok(after_commit))
        })
        .await
    }

    async fn find_out(&mut self, patience: &Patience) -> Result<bool, StoreError> {
        let in_doubt = match &self.outcome {
            BatchOutcome::Written => return Ok(true),
            BatchOutcome::NotWritten => return Ok(false),
            BatchOutcome::InDoubt(in_doubt) => in_doubt.clone(),
        };

        let service = self.service;
        let written = Self::repeatedly(&mut self.lanes, patience, async |lane| {
            outcome::ask(lane, service, &in_doubt).await
        })
        .await
        .map_err(|trouble| trouble.into_error(service))?;

        self.outcome = if written {
            BatchOutcome::Written
        } else {
            BatchOutcome::NotWritten
        };
        tracing::warn!(
            service = %service, transaction = %in_doubt.transaction, written,
            "a commit was not answered; the server has told what became of it"
        );
        Ok(written)
    }

    async fn remove(&mut self, prune: &Prune, patience: &Patience) -> Result<Pruned, StoreError> {
        let service = self.service;
        Self::repeatedly(&mut self.lanes, patience, async |lane| {
            pruning::remove(lane, prune).await
        })
        .await
        .map_err(|trouble| trouble.into_error(service))
    }
}

impl CommitStore for PostgresStore {
    fn place(&self) -> String {
        self.address.to_string()
    }

    fn gathering(&self) -> Gathering {
        Gathering::LikeTheOneBefore
    }

    fn claim<'a>(
        &'a mut self,
        shard: ShardId,
        owner: &'a str,
        held: Option<u64>,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, Claim> {
        self.take_over(shard, owner, held, patience).boxed_local()
    }

    fn write<'a>(
        &'a mut self,
        batch: &'a Batch<'a>,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, (), Failure> {
        self.commit(batch, patience).boxed_local()
    }

    fn happened<'a>(&'a mut self, patience: &'a Patience) -> StoreAnswer<'a, bool> {
        self.find_out(patience).boxed_local()
    }

    fn prune<'a>(
        &'a mut self,
        prune: &'a Prune,
        patience: &'a Patience,
    ) -> StoreAnswer<'a, Pruned> {
        self.remove(prune, patience).boxed_local()
    }

    /// The lane was in the hands of the call that panicked, and has gone with it.
    fn recover(&mut self) -> StoreAnswer<'_, ()> {
        self.lanes.drop_all();
        async { Ok(()) }.boxed_local()
    }
}
