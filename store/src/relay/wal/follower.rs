//! Whoever has the slot: it takes the rows that the server tells, and has them carried.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use pgwire_replication::{Lsn, ReplicationClient, ReplicationEvent};
use sagas::ShardId;
use tokio::time::{sleep, timeout};

use super::pgoutput::{Row, Tables};
use super::slot::{Ready, Slot};
use super::{NotFollowed, within};
use crate::ServiceDatabase;
use crate::relay::AcknowledgingCarrier;
use crate::relay::outboxes::{Outboxes, Place, RelayError};

/// Carries at most this many rows at once.
const ROWS: usize = 1_000;
/// How often it is looked how much of its log the server keeps.
const CHECKS_EVERY: Duration = Duration::from_secs(10);
/// What the server has told of is seen by other sessions within this time, unless it waits for a
/// standby.
const SEEN_WITHIN: Duration = Duration::from_secs(5);
const LOOKS_EVERY: Duration = Duration::from_millis(5);

/// Follows a database's log.
pub(super) struct Follower<'d> {
    slot: &'d Slot<'d>,
    outboxes: Outboxes<'d>,
    tables: Tables,
    /// Everything up to here is acknowledged, once what was taken is.
    done: Option<Lsn>,
    checked: Instant,
    /// What is followed now.
    ready: Option<Ready>,
}

impl<'d> Follower<'d> {
    pub(super) fn new(
        database: &'d ServiceDatabase,
        carrier: &'d dyn AcknowledgingCarrier,
        slot: &'d Slot<'d>,
    ) -> Self {
        Follower {
            slot,
            outboxes: Outboxes::of(database, carrier),
            tables: Tables::default(),
            done: None,
            checked: Instant::now(),
            ready: None,
        }
    }

    /// Carries what is committed, until something fails.
    pub(super) async fn follow(&mut self, all: &[ShardId]) -> Result<Infallible, NotFollowed> {
        let ready = within(self.slot.ready()).await?;
        let mut client = within(self.slot.follow(&ready)).await?;
        let keeping = self.outboxes.keep(all).await;
        keeping.map_err(RelayError::from)?;
        tracing::info!(slot = %ready, "this node relays what is written to the database's log");
        self.ready = Some(ready);
        // What was committed before the slot was made, by whoever has made it, is not told.
        self.catch_up().await?;

        loop {
            self.gather(&mut client).await?;
            self.deliver().await?;
            // What rests is behind its note, and is read from the tables by whoever comes next.
            if let Some(done) = self.done.take() {
                client.update_applied_lsn(done);
            }
            if self.outboxes.rest() == Some(Duration::ZERO) {
                self.catch_up().await?;
            }
            self.check().await?;
        }
    }

    /// Looks now and then whether the slot is this node's still, and what the server keeps for it.
    async fn check(&mut self) -> Result<(), NotFollowed> {
        if let Some(ready) = &self.ready
            && self.checked.elapsed() >= CHECKS_EVERY
        {
            within(self.slot.check(ready)).await?;
            self.checked = Instant::now();
        }
        Ok(())
    }

    /// Carries what the outboxes have beyond what was taken. It may be much, and the server keeps
    /// its log meanwhile.
    async fn catch_up(&mut self) -> Result<(), NotFollowed> {
        while self.outboxes.relay().await? {
            self.check().await?;
        }
        Ok(())
    }

    /// Has carried what was taken, as soon as others can see it: the server tells of a commit that
    /// is still waiting for a standby, and that nobody has any more who goes on from that one.
    async fn deliver(&mut self) -> Result<(), NotFollowed> {
        let began = Instant::now();
        while !self.outboxes.is_seen().await.map_err(RelayError::from)? {
            if began.elapsed() > SEEN_WITHIN {
                return Err(NotFollowed::NotSeen);
            }
            sleep(LOOKS_EVERY).await;
        }
        self.outboxes.deliver().await?;
        Ok(())
    }

    /// Waits for something, and takes what is there then.
    async fn gather(&mut self, client: &mut ReplicationClient) -> Result<(), NotFollowed> {
        let waits = self.outboxes.rest().unwrap_or(CHECKS_EVERY);
        let Ok(event) = timeout(waits.min(CHECKS_EVERY), client.recv()).await else {
            return Ok(());
        };
        self.take(event?).await?;
        for _ in 1..ROWS {
            match client.recv().now_or_never() {
                Some(event) => self.take(event?).await?,
                None => break,
            }
            if self.outboxes.has_taken_enough() {
                break;
            }
        }
        Ok(())
    }

    async fn take(&mut self, event: Option<ReplicationEvent>) -> Result<(), NotFollowed> {
        match event {
            Some(ReplicationEvent::XLogData { data, .. }) => {
                let row = self.tables.read(&data).map_err(NotFollowed::Malformed)?;
                if let Some(row) = row {
                    self.take_row(row).await?;
                }
            }
            Some(ReplicationEvent::Commit { end_lsn, .. }) => self.done = Some(end_lsn),
            // Its place is before any commit that is still to be told.
            Some(ReplicationEvent::KeepAlive { wal_end, .. }) => {
                self.done = self.done.max(Some(wal_end));
            }
            Some(_) => {}
            None => return Err(NotFollowed::Malformed("the stream has ended")),
        }
        Ok(())
    }

    async fn take_row(&mut self, row: Row) -> Result<(), NotFollowed> {
        let (number, sequence) = (row.number(), row.model.sequence);
        let shard = ShardId::new(self.outboxes.service(), number);
        if self.outboxes.take_next(shard, row.stored()) == Place::Behind {
            self.close_gap(shard, sequence).await?;
        }
        Ok(())
    }

    /// Something lies before this row that was not told: it was committed before the slot was made,
    /// or nothing was, because a commit has failed. The outbox knows, as soon as it shows the row.
    async fn close_gap(&mut self, shard: ShardId, sequence: i64) -> Result<(), NotFollowed> {
        self.deliver().await?;
        let began = Instant::now();
        loop {
            self.catch_up().await?;
            if self.outboxes.has_reached(shard, sequence) || self.outboxes.is_resting(shard) {
                return Ok(());
            }
            if began.elapsed() > SEEN_WITHIN {
                return Err(NotFollowed::NotSeen);
            }
            sleep(LOOKS_EVERY).await;
        }
    }
}
