//! The outboxes: contiguous sequences, readable messages; and the messages that are on their way.

use std::collections::BTreeMap;

use domain::ShardId;
use store::snapshot::Snapshot;
use store::snapshot::outboxes::{OutboxRow, ShardNotes};
use store::unit::MAX_MESSAGES;
use store::{Destination, InboxPositions, SourceStream};

use super::AuditError;
use super::extent::Extent;
use super::noted;
use super::problem::{Mismatch, Problem};
use super::report::{Invariant, Report};
use super::stores::Stores;

/// Rows read at a time, each time in a snapshot of its own.
const ROWS: u64 = 2_000;

/// A sample is of this many of the newest messages of each outbox.
const NEWEST: u64 = 1_000;

/// How far an outbox has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// The sequence of its newest message; at least the one noted as published or removed.
    pub last: u64,
    /// At most the sequence of its newest event.
    pub last_event: u64,
}

/// Walks the outboxes of all shards. `received` holds what each receiving shard had received before
/// this began.
pub(super) async fn audit(
    stores: &Stores,
    received: &BTreeMap<ShardId, InboxPositions>,
    report: &mut Report,
) -> Result<BTreeMap<ShardId, Reach>, AuditError> {
    report.checked(Invariant::Outbox, 0);
    let mut reaches = BTreeMap::new();

    for service in domain::SERVICES {
        noted::audit(stores, service, report).await?;
        for number in 0..stores.shards {
            let shard = ShardId::new(service, number);
            let mut walk = Walk::new(shard, stores.shards, received, report);
            walk.walk(stores).await?;
            reaches.insert(shard, walk.reach);
        }
    }

    Ok(reaches)
}

/// A walk along one outbox.
struct Walk<'a> {
    shard: ShardId,
    shards: u16,
    received: &'a BTreeMap<ShardId, InboxPositions>,
    report: &'a mut Report,
    /// The sequence that comes next.
    next: u64,
    /// The row before could not be read: nobody knows what comes next.
    is_lost: bool,
    reach: Reach,
}

impl<'a> Walk<'a> {
    fn new(
        shard: ShardId,
        shards: u16,
        received: &'a BTreeMap<ShardId, InboxPositions>,
        report: &'a mut Report,
    ) -> Self {
        Walk {
            shard,
            shards,
            received,
            report,
            next: 1,
            is_lost: false,
            reach: Reach::default(),
        }
    }

    async fn walk(&mut self, stores: &Stores) -> Result<(), AuditError> {
        let mut after = self.beginning(stores).await?;
        let mut first_notes = None;

        loop {
            let snapshot = Snapshot::begin(stores.database(self.shard.service)).await?;
            let notes = noted::of(snapshot.notes_of(self.shard).await?);
            let rows = snapshot.outbox(self.shard, after, ROWS).await?;
            snapshot.end().await?;
            let before = after;
            let is_whole = u64::try_from(rows.len()).is_ok_and(|found| found == ROWS);

            self.report.checked(Invariant::Outbox, rows.len());
            for row in &rows {
                match row {
                    Ok(row) => {
                        after = row.sequence;
                        self.row(row, &notes);
                    }
                    Err(unreadable) => {
                        let problem = Problem::unreadable(unreadable);
                        self.report.violated_by(Invariant::Outbox, problem);
                        self.is_lost = true;
                    }
                }
            }

            let first_notes = first_notes.get_or_insert_with(|| notes.clone());
            if !is_whole || after == before {
                self.end(first_notes, &notes);
                return self.newest(stores).await;
            }
        }
    }

    /// The sequence after which the walk begins. A sample is of the newest messages.
    async fn beginning(&mut self, stores: &Stores) -> Result<i64, AuditError> {
        if stores.extent == Extent::Full {
            return Ok(0);
        }

        let snapshot = Snapshot::begin(stores.database(self.shard.service)).await?;
        let published = noted::of(snapshot.notes_of(self.shard).await?).published;
        let after = i64::try_from(published.saturating_sub(NEWEST)).unwrap_or(i64::MAX);
        let first = snapshot.outbox(self.shard, after, 1).await?;
        snapshot.end().await?;

        if after > 0 {
            let next = first.iter().flatten().next();
            let next = next.map_or(after + 1, |first| first.sequence);
            self.next = u64::try_from(next).unwrap_or(1);
        }
        Ok(after)
    }

    fn row(&mut self, row: &OutboxRow, notes: &ShardNotes) {
        let (Ok(sequence), Ok(count)) = (u64::try_from(row.sequence), u64::try_from(row.count))
        else {
            self.wrong(Mismatch::new(
                "row",
                "a sequence and count above 0",
                format_args!("{row:?}"),
            ));
            return;
        };

        if let Some(mismatch) = gap(self.next, sequence, notes.pruned).filter(|_| !self.is_lost) {
            self.wrong(mismatch);
        }

        self.is_lost = false;
        self.next = sequence.saturating_add(count);

        if row.has_events {
            // Only reading them tells where they end: the last of them is at least here.
            self.reach.last_event = sequence;
        }

        match &row.messages {
            Err(error) => self.wrong(Mismatch::unreadable(
                format_args!("messages of row {sequence}"),
                error,
            )),
            Ok(messages) => {
                let whole = sequence > notes.pruned;
                let found = u64::try_from(messages.len()).unwrap_or(u64::MAX);
                let fits = if row.has_events {
                    found < count
                } else {
                    found == count || !whole
                };
                if !fits {
                    self.wrong(Mismatch::new(
                        format_args!("messages of row {sequence}"),
                        count,
                        found,
                    ));
                }
                for sent in messages {
                    self.message(sent.sequence, sent.destination);
                }
            }
        }
    }

    fn message(&mut self, sequence: u64, destination: Destination) {
        let Destination::Shard(receiver) = destination else {
            return;
        };

        if receiver.number >= self.shards {
            let what = format!("destination of message {sequence}");
            self.wrong(Mismatch::new(
                what,
                format_args!("one of {} shards", self.shards),
                receiver,
            ));
        }

        let reached = self
            .received
            .get(&receiver)
            .and_then(|positions| positions.get(&SourceStream::messages(self.shard)))
            .copied();

        if sequence > reached.unwrap_or(0) {
            self.report.work_in_flight.messages += 1;
        }
    }

    fn end(&mut self, first: &ShardNotes, notes: &ShardNotes) {
        if self.is_lost {
            // Nobody knows how far the newest row reaches.
            self.reach.last = u64::MAX;
            return;
        }

        // The newest rows may have been removed, when they held no events.
        let removed = if notes.pruned == 0 {
            0
        } else {
            notes.pruned.saturating_add(beyond())
        };

        let last = self.next.saturating_sub(1);
        // What was removed had been received, and the newest row stays.
        let receivers = self.received.values();
        let source = SourceStream::messages(self.shard);
        let received = receivers.filter_map(|positions| positions.get(&source));
        let beginning = last
            .max(notes.published)
            .max(received.copied().max().unwrap_or(0));
        if notes.pruned > beginning && notes.pruned != u64::MAX {
            self.wrong(Mismatch::new(
                "pruned",
                format_args!("at most {beginning}"),
                notes.pruned,
            ));
        }

        let may_be = last.max(removed);
        if first.published > may_be {
            self.wrong(Mismatch::new(
                "published",
                format_args!("at most {may_be}"),
                first.published,
            ));
        }

        self.reach.last = may_be;
    }

    /// The newest row holds as many messages as it says: a wrong count of any other leaves a gap,
    /// or overlaps.
    async fn newest(&mut self, stores: &Stores) -> Result<(), AuditError> {
        let snapshot = Snapshot::begin(stores.database(self.shard.service)).await?;
        let notes = noted::of(snapshot.notes_of(self.shard).await?);
        let newest = snapshot.newest_in_outbox(self.shard).await?;
        snapshot.end().await?;

        // What cannot be read is told of by the walk, or by the history.
        let Some(Ok(newest)) = newest else {
            return Ok(());
        };
        let is_emptied = newest.sequence <= notes.pruned;
        if !is_emptied && newest.holds.is_some_and(|holds| holds != newest.count) {
            self.wrong(Mismatch::new(
                format_args!("count of row {}", newest.sequence),
                newest.holds.unwrap_or(0),
                newest.count,
            ));
        }
        Ok(())
    }

    fn wrong(&mut self, mismatch: Mismatch) {
        self.report.violated_by(
            Invariant::Outbox,
            Problem::of(format_args!("outbox of {}", self.shard), mismatch),
        );
    }
}

/// How far the messages of a row reach beyond its own sequence, at most.
fn beyond() -> u64 {
    u64::try_from(MAX_MESSAGES).unwrap_or(0).saturating_sub(1)
}

/// What is wrong with a row of this sequence where `next` should come. Rows without events are
/// removed up to `pruned`.
fn gap(next: u64, sequence: u64, pruned: u64) -> Option<Mismatch> {
    if sequence == next {
        return None;
    }
    let removed = next < sequence
        && next <= pruned
        && sequence <= pruned.saturating_add(beyond()).saturating_add(1);
    (!removed).then(|| Mismatch::new("sequence of the next row", next, sequence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_may_be_missing_only_where_they_were_removed() {
        assert_eq!(gap(5, 5, 0), None);
        assert!(gap(5, 6, 0).is_some(), "nothing was removed");
        assert!(gap(5, 4, 10).is_some(), "rows overlap");
        assert_eq!(gap(5, 9, 5), None, "the row at 5 held 4 messages");
        assert!(gap(6, 9, 5).is_some(), "the row at 6 was not removed");
        assert!(gap(5, 200, 5).is_some(), "no row has so many messages");
    }
}
