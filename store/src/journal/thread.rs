//! The journal's thread: takes what has gathered, and has it done in order.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::FutureExt;
use sagas::Service;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::commit_store::{CommitStore, Gathering};
use super::committer::Committer;
use super::queue::{self, Queue, Work};
use super::standing::Watch;
use crate::StoreError;
use crate::log::Publisher;
use crate::threads::Threads;
use crate::unit::Unit;

/// A transaction holds at most this many units: more would only make the first of them wait.
const MAX_BATCH: usize = 4096;
/// With fewer units than this waiting, the next commit does not begin at once; see
/// [`Thread::gather_more`].
const SMALL_BATCH: usize = 32;
/// Commits of small batches begin this far apart.
const SMALL_BATCH_INTERVAL: Duration = Duration::from_micros(1_250);
/// A batch that waits to be as large as the one before it waits no longer than this.
const GATHERS_WITHIN: Duration = Duration::from_millis(10);
/// And looks so often whether it is.
const LOOKS_EVERY: Duration = Duration::from_millis(1);
/// How often a store that stands still is tried when nobody asks for anything.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// What the thread works with.
pub(super) struct Parts {
    pub service: Service,
    pub log: Arc<dyn Publisher>,
    pub queue: Arc<Queue>,
    pub durable: Arc<[AtomicU64]>,
    pub watch: Arc<Watch>,
    pub threads: Arc<dyn Threads>,
}

/// Starts the thread.
pub(super) fn spawn(store: Box<dyn CommitStore>, parts: Parts) -> Result<(), StoreError> {
    let service = parts.service;
    let threads = Arc::clone(&parts.threads);

    let work = Box::new(move || run(store, parts).boxed_local());
    threads
        .spawn(format!("journal-{service}"), work)
        .map_err(|error| {
            StoreError::Configuration(format!("no thread for the journal of {service}: {error}"))
        })
}

/// Works until somebody closes the journal, or it cannot go on. Whatever ends it, nobody waits for
/// it any longer.
async fn run(store: Box<dyn CommitStore>, parts: Parts) {
    let (service, queue, watch) = (
        parts.service,
        Arc::clone(&parts.queue),
        Arc::clone(&parts.watch),
    );

    let work = AssertUnwindSafe(async {
        let thread = Thread {
            taken: (Instant::now(), 0),
            work: VecDeque::new(),
            service,
            queue: Arc::clone(&queue),
            watch: Arc::clone(&watch),
            threads: Arc::clone(&parts.threads),
            gathering: store.gathering(),
            committer: Committer::new(store, parts),
        };
        thread.run().await
    });

    let ended = match work.catch_unwind().await {
        Ok(ended) => ended,
        // What the thread had in hand is gone; those who wait for it see their channel close.
        Err(_) => Ended::Failed("its thread panicked".to_owned()),
    };

    match ended {
        Ended::Closed(answer) => {
            queue.close(service);
            watch.ended(None);
            // The caller may have given up.
            let _ = answer.send(());
        }
        Ended::Failed(cause) => {
            queue.close(service);
            watch.ended(Some(cause));
        }
    }
}

/// Why the thread ends.
enum Ended {
    /// It was told to; this one waits for it.
    Closed(oneshot::Sender<()>),
    /// It cannot go on.
    Failed(String),
}

struct Thread {
    service: Service,
    queue: Arc<Queue>,
    watch: Arc<Watch>,
    threads: Arc<dyn Threads>,
    gathering: Gathering,
    committer: Committer,
    /// What was taken and is not done yet.
    work: VecDeque<Work>,
    /// When work was last taken, and how much of it.
    taken: (Instant, usize),
}

impl Thread {
    async fn run(mut self) -> Ended {
        loop {
            self.take().await;

            while let Some(next) = self.work.pop_front() {
                if let Work::Close { answer } = next {
                    if !self.watch.gives_up() {
                        self.committer.note_published().await;
                    }
                    // What came behind it was taken along with it.
                    self.refuse_the_rest();
                    return Ended::Closed(answer);
                }

                self.carry_out(next).await;

                if let Some(cause) = self.committer.cannot_go_on() {
                    self.refuse_the_rest();
                    return Ended::Failed(cause);
                }
            }
        }
    }

    /// Takes what has gathered. While the store stands still, tries it from time to time even when
    /// nobody asks for anything, so that its standing ends when the store is back. What others go
    /// by is noted even when nothing more comes.
    async fn take(&mut self) {
        self.gather_more().await;
        let limit = match self.watch.is_failing() {
            true => Some(TRY_EVERY),
            false => self.committer.notes_after(),
        };
        self.work = self.queue.take(limit).await;
        self.taken = (Instant::now(), self.work.len());

        if self.work.is_empty() && self.watch.is_failing() {
            self.committer.try_the_store().await;
        } else if self.work.is_empty() {
            self.committer.note_published().await;
        }
    }

    /// Lets a small batch grow for a moment. A commit costs a sync and a page of each table it
    /// touches, however few its units: at half of what a machine can do, commits one right after
    /// the other write half as much again and take a fifth more processor time than at these
    /// intervals, and it is the disk's queue that callers would wait in. A unit that comes alone
    /// never waits: its caller is the only one.
    async fn gather_more(&self) {
        let (begun, units) = self.taken;
        if units <= 1 {
            return;
        }

        match self.gathering {
            Gathering::Briefly if self.queue.len() < SMALL_BATCH => {
                let rest = SMALL_BATCH_INTERVAL.saturating_sub(begun.elapsed());
                self.threads.sleep(rest).await;
            }
            Gathering::Briefly => {}
            Gathering::LikeTheOneBefore => {
                let until = Instant::now() + begun.elapsed().min(GATHERS_WITHIN);
                while self.queue.len() < units && Instant::now() < until {
                    self.threads.sleep(LOOKS_EVERY).await;
                }
            }
        }
    }

    async fn carry_out(&mut self, work: Work) {
        // A store that does not answer does not keep the node from ending: what waits is refused.
        if self.watch.gives_up() {
            queue::refuse(self.service, work);
            return;
        }

        match work {
            Work::Unit(unit) => {
                let units = gather(unit, &mut self.work);
                self.committer.note_backlog(self.work.len());
                self.committer.commit(units).await;
            }
            Work::Claim {
                shard,
                owner,
                held,
                answer,
            } => {
                // Whoever has waited too long may have lost the shard to another node in the
                // meantime, and would take it back from there.
                if answer.is_closed() {
                    return;
                }
                let claimed = self.committer.claim(shard, &owner, held).await;
                // The claimer may give up only now; the epoch is raised all the same.
                let _ = answer.send(claimed);
            }
            Work::Prune {
                shard,
                up_to,
                before,
                answer,
            } => {
                let pruned = self.committer.prune(shard, up_to, before).await;
                let _ = answer.send(pruned);
            }
            // `run` has taken it out.
            Work::Close { answer } => drop(answer),
        }
    }

    fn refuse_the_rest(&mut self) {
        for work in self.work.drain(..) {
            queue::refuse(self.service, work);
        }
    }
}

/// The unit, and those that follow it up to the first other work.
fn gather(first: Unit, work: &mut VecDeque<Work>) -> Vec<Unit> {
    let mut units = vec![first];
    while units.len() < MAX_BATCH {
        match work.pop_front() {
            Some(Work::Unit(unit)) => units.push(unit),
            Some(other) => {
                work.push_front(other);
                break;
            }
            None => break,
        }
    }
    units
}
