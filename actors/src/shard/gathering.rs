//! What gathers for one turn of a shard: requests, deliveries of the log, timers that are due.

use std::sync::Arc;
use std::time::Duration;

use sagas::Timestamp;
use store::Message;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Parts, Shard};
use crate::entity::Entity;
use crate::request::Request;

/// At most this many pieces of work in one turn.
const PIECES_PER_TURN: usize = 512;
/// A shard takes in nothing while this many units wait in the journal.
const JOURNAL_BACKLOG: usize = 8192;
/// How often a shard checks whether the last message of a source has been lost.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often a shard that has just opened looks for what it has missed.
const CATCH_UP_EVERY: Duration = Duration::from_millis(5);
/// A shard that has not looked at the clock for so long has stood still. It looks once a second.
const STOOD_STILL: Duration = Duration::from_secs(3);
/// A clock this far behind what it said before has stepped back.
const CLOCK_STEP: Duration = Duration::from_secs(1);

/// What has gathered for one turn.
pub(super) struct Gathered<E: Entity> {
    pub requests: Vec<Request<E>>,
    pub messages: Vec<Arc<Message>>,
    pub timers: Vec<(Uuid, Timestamp)>,
    pub check: bool,
}

impl<E: Entity> Gathered<E> {
    fn nothing() -> Self {
        Gathered {
            requests: Vec::new(),
            messages: Vec::new(),
            timers: Vec::new(),
            check: false,
        }
    }

    fn len(&self) -> usize {
        self.requests.len() + self.messages.len()
    }
}

impl<E: Entity> Shard<E> {
    /// Waits for work and takes what there is; `None` when the tenure ends.
    pub(super) async fn gather(&mut self) -> Option<Gathered<E>> {
        let mut gathered = Gathered::nothing();
        // A shard that always finds some work leaves others their turns all the same.
        tokio::task::coop::consume_budget().await;
        self.journal_takes_in().await?;

        self.take_returned();
        if self.again.is_empty() && self.broken.is_none() {
            self.wait_for_work(&mut gathered).await?;
        }

        let again = self.again.drain(..).filter_map(Request::unless_before);
        gathered.requests.extend(again);

        while gathered.len() < PIECES_PER_TURN {
            match self.deliveries.try_recv() {
                Ok(delivery) => gathered.messages.extend(delivery),
                Err(_) => break,
            }
        }

        while gathered.len() < PIECES_PER_TURN {
            match self.parts.requests.try_recv() {
                Ok(request) => gathered.requests.extend(self.if_in_time(request)),
                Err(_) => break,
            }
        }

        // Under a rush something else is always ready first, and the tick is never looked at.
        gathered.check |= self.checked_at.elapsed() >= self.check_every();
        if gathered.check {
            self.checked_at = Instant::now();
        }

        self.look_at_the_clock();
        self.look_behind().await;
        if !self.is_catching_up() {
            gathered.timers = self.due_timers();
        }

        Some(gathered)
    }

    /// Waits until the journal is not too far behind; `None` when the tenure ends.
    async fn journal_takes_in(&mut self) -> Option<()> {
        let Parts {
            tenure, journal, ..
        } = &mut self.parts;
        // Under a rush neither need be waited for.
        if !tenure.is_over() && journal.backlog() < JOURNAL_BACKLOG {
            return Some(());
        }

        tokio::select! {
            biased;
            () = tenure.ends() => None,
            () = journal.below(JOURNAL_BACKLOG) => Some(()),
        }
    }

    /// Waits for the first piece of work, or until it is time to look for some; `None` when the
    /// tenure ends.
    async fn wait_for_work(&mut self, gathered: &mut Gathered<E>) -> Option<()> {
        // Under a rush some has come already, and nothing need be set up to wait for it.
        if !(self.deliveries.is_empty() && self.parts.requests.is_empty()) {
            return Some(());
        }

        let next_check = self.checked_at + self.check_every();
        let due = self.time_until_due().map(|due| Instant::now() + due);
        let look = due.map_or(next_check, |due| due.min(next_check));
        tokio::select! {
            biased;
            () = self.parts.tenure.ends() => return None,
            Some(returned) = self.returned.recv() => self.take(returned),
            Some(delivery) = self.deliveries.recv() => gathered.messages.extend(delivery),
            request = self.parts.requests.recv() => match request {
                Some(request) => gathered.requests.extend(self.if_in_time(request)),
                None => {
                    self.is_over = true;
                    return None;
                }
            },
            () = tokio::time::sleep_until(look) => {}
        }
        Some(())
    }

    fn check_every(&self) -> Duration {
        if self.catch_up.gets_on() {
            CATCH_UP_EVERY
        } else {
            CHECK_EVERY
        }
    }

    /// Who is to be woken now. An entity that waits by itself is when all shards have heard what
    /// there was when it was due.
    fn due_timers(&mut self) -> Vec<(Uuid, Timestamp)> {
        let level = self.catch_up.level_at();
        let due = self.timers.due(self.now, level);
        if self.timers.is_ahead_of(level, self.now) {
            self.catch_up_from_now();
        }
        due
    }

    /// When the clock has stepped back, works out anew what is due: the policy bounds it from now
    /// on. When it has gone on without this shard, what has come meanwhile is read first.
    fn look_at_the_clock(&mut self) {
        let now = self.parts.clock.now();
        if now.after(CLOCK_STEP) < self.now {
            self.broken = Some(format!(
                "the clock has stepped back from {} to {now}",
                self.now
            ));
        }
        let stood_still = now > self.now.after(STOOD_STILL);
        self.now = now;
        // Its own reading may take as long.
        if stood_still && !self.is_catching_up() {
            self.catch_up_from_now();
        }
    }

    fn time_until_due(&self) -> Option<Duration> {
        let timer = self.timers.next_due().filter(|_| !self.is_catching_up());
        let next = timer.into_iter().chain(self.parked.next_due()).min()?;
        Some(next.since(self.parts.clock.now()))
    }
}
