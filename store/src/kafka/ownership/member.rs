//! What a node is in the group of one service: which partitions it was given, and what becomes of
//! them when the group loses it.
//!
//! One thread changes that: the one that polls the group, which hears what is given and taken.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::consumer::{BaseConsumer, Consumer};
use sagas::Service;
use tracing::{error, info, warn};

use super::Place;
use crate::cluster::Participation;
use crate::kafka::assignments::Assignments;
use crate::kafka::clients::{Complaints, TURN};
use crate::kafka::reader::Reader;

/// What a node is in a group.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) service: Service,
    /// By which the group gives shards.
    pub(super) topic: String,
    assignments: Arc<Assignments>,
    reader: Arc<Reader>,
    pub(super) complaints: Complaints,
    place: Mutex<InGroup>,
}

/// How a node stands with its group.
#[derive(Debug, Default)]
struct InGroup {
    takes_part: bool,
    /// It took part, and has not heard since what is its own.
    is_lost: bool,
    /// Partitions that are assigned, but not read yet.
    gained: BTreeSet<i32>,
    /// Partitions that were the node's when the group lost it.
    kept: BTreeSet<i32>,
}

impl Member {
    pub(super) fn new(
        service: Service,
        topic: String,
        assignments: Arc<Assignments>,
        reader: Arc<Reader>,
        complaints: &Complaints,
    ) -> Self {
        Member {
            service,
            topic,
            assignments,
            reader,
            complaints: complaints.clone(),
            place: Mutex::default(),
        }
    }

    pub(super) fn participation(&self) -> Participation {
        match lock(&self.place).takes_part {
            true => Participation::Full,
            false => Participation::OutOfTouch,
        }
    }

    /// How many shards are the node's that it does not read yet.
    pub(super) fn not_begun(&self) -> usize {
        let gained = lock(&self.place).gained.clone();
        self.assignments.shards_in(self.service, &gained).count()
    }

    /// Takes part in the group until it is stopped.
    pub(super) fn take_part(&self, consumer: &BaseConsumer<Place>, stop: &AtomicBool) {
        if let Err(error) = consumer.subscribe(&[&self.topic]) {
            error!(service = %self.service, "the node takes part in no group: {error}");
        }

        while !stop.load(Ordering::SeqCst) {
            // It is assigned nothing to read, so it brings events alone.
            if let Some(Err(error)) = consumer.poll(TURN) {
                self.complaints.tell(&error.to_string());
            }
            self.begin_reading();
        }
    }

    /// Begins to read what has been assigned. Only then its shards are published: their owner
    /// reads from the outbox what was sent before.
    fn begin_reading(&self) {
        let gained = std::mem::take(&mut lock(&self.place).gained);
        if gained.is_empty() {
            return;
        }

        let tenure = self.assignments.next_tenure();
        match self.reader.begin(self.service, &gained, tenure) {
            Ok(()) => {
                info!(service = %self.service, kafka.partitions = ?gained, "shards are assigned");
                self.assignments.add(self.service, &gained, tenure);
            }
            Err(error) => {
                self.complaints
                    .tell(&format!("reading cannot begin: {error}"));
                lock(&self.place).gained.extend(gained);
            }
        }
    }

    /// The group has given these to the node. With the first ones after it was lost, possibly none,
    /// it hears all that is its own: the rest of what it has kept is somebody else's, and what it
    /// gets again may have been.
    pub(super) fn gain(&self, partitions: &BTreeSet<i32>) {
        let mut place = lock(&self.place);
        place.gained.extend(partitions);
        let kept = std::mem::take(&mut place.kept);
        drop(place);

        if !kept.is_empty() {
            self.reader.end(self.service, &kept);
            let away = &kept - partitions;
            if !away.is_empty() {
                // Whoever has waited for these is to ask the others.
                lock(&self.place).takes_part = true;
                self.assignments.remove(self.service, &away);
                info!(
                    service = %self.service, kafka.partitions = ?away,
                    "other nodes have these now"
                );
            }
        }

        // At once, so that a node that starts takes part, and is ready, when its shards are its
        // own.
        self.begin_reading();
        let mut place = lock(&self.place);
        place.takes_part = true;
        place.is_lost = false;
    }

    /// The group has lost the node.
    pub(super) fn keep(&self, partitions: &BTreeSet<i32>) {
        let mut place = lock(&self.place);
        place.takes_part = false;
        place.is_lost = true;
        // What has not begun yet is nothing to keep, unless it is that of before.
        place.gained = &place.gained - partitions;
        let held = partitions.iter().copied();
        place
            .kept
            .extend(held.filter(|partition| self.holds(*partition)));
        drop(place);

        warn!(
            service = %self.service, kafka.partitions = ?partitions,
            "the group has lost this node, which keeps its shards until it hears who has them"
        );
    }

    pub(super) fn give_up(&self, partitions: &BTreeSet<i32>) {
        self.assignments.remove(self.service, partitions);
        let mut place = lock(&self.place);
        place.gained = &place.gained - partitions;
        place.kept = &place.kept - partitions;
        drop(place);

        self.reader.end(self.service, partitions);
        info!(service = %self.service, kafka.partitions = ?partitions, "shards are given up");
    }

    /// Whether the group has lost the node, which has not heard yet what is its own.
    pub(super) fn is_lost(&self) -> bool {
        lock(&self.place).is_lost
    }

    pub(super) fn holds(&self, partition: i32) -> bool {
        self.assignments.holds(self.service, partition)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
