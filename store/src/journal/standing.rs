//! Whether a service's store answers, and for how long it has not.
//!
//! A store *stands still* when what is asked of it has had no answer for two seconds, or when the
//! newest write has failed and none has succeeded since: another process holds its lock, the disk
//! is full, or does not answer. Everyone who would have to wait for it can look here instead. It is
//! told once when it begins and once when it is over, however often it is tried in between.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sagas::Service;
use sagas::mistakes::{Mistake, makes};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::StoreError;

/// A call that has had no answer for this long stands still. It is also how long a call waits for a
/// lock.
const STANDS_AFTER: Duration = Duration::from_secs(2);
/// How long a call waits for a lock while the store stands still: its caller should know soon.
const PATIENCE_WHILE_STANDING: Duration = Duration::from_millis(100);
/// How long calls wait for a lock after the journal was told to close.
const PATIENCE_WHILE_CLOSING: Duration = Duration::from_secs(1);
/// How often the watch looks whether a call has become one that stands still.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A store that stands still.
#[derive(Clone, Debug)]
pub struct Standing {
    /// When what has no answer began, or what first failed.
    pub since: Instant,
    /// What is known of the reason.
    pub cause: String,
}

/// What the journal's thread tells of its calls, and others look at.
#[derive(Debug)]
pub(super) struct Watch {
    service: Service,
    /// Where the store is.
    place: String,
    state: Mutex<State>,
    closing: OnceLock<Instant>,
    /// Whether the thread has ended.
    ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    under_way: Option<Call>,
    failing: Option<Standing>,
    /// Whether the log names what stands still now.
    told: bool,
    /// The journal has ended by itself, for this reason.
    ended: Option<Standing>,
    /// The store has failed since the journal was told to close.
    failed_while_closing: bool,
}

#[derive(Debug)]
struct Call {
    since: Instant,
    what: &'static str,
    waits_for: Option<String>,
}

impl Watch {
    pub(super) fn new(service: Service, place: String) -> Arc<Self> {
        Arc::new(Watch {
            service,
            place,
            state: Mutex::default(),
            closing: OnceLock::new(),
            ended: watch::Sender::new(false),
        })
    }

    /// Looks from time to time, until the thread ends: a call that has no answer cannot tell that
    /// by itself.
    pub(super) async fn keep_looking(self: Arc<Self>) {
        let mut ended = self.ended.subscribe();
        let mut look = tokio::time::interval(LOOK_EVERY);

        loop {
            tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => return,
                _ = look.tick() => {
                    let mut state = self.lock();
                    self.tell(&mut state);
                }
            }
        }
    }

    /// A call of the commit store begins.
    pub(super) fn begin(self: &Arc<Self>, what: &'static str) -> Patience {
        let now = Instant::now();
        let mut state = self.lock();
        state.under_way = Some(Call {
            since: now,
            what,
            waits_for: None,
        });

        let limit = match state.failing {
            Some(_) => PATIENCE_WHILE_STANDING,
            None => STANDS_AFTER,
        };

        Patience {
            watch: Arc::clone(self),
            until: now + limit,
        }
    }

    /// The call has written.
    pub(super) fn succeeded(&self) {
        let mut state = self.lock();
        let begun = state.under_way.take().map(|call| call.since);
        if makes(Mistake::StandsForEver) {
            return;
        }

        let failed = state.failing.take().map(|failed| failed.since);
        self.tell_the_end(&mut state, failed.or(begun));
    }

    /// The call has been answered, but says nothing of whether the store can write.
    pub(super) fn answered(&self) {
        let mut state = self.lock();
        let begun = state.under_way.take().map(|call| call.since);
        // One that only was slow does not stand still any more; the next time is told of again.
        if state.failing.is_none() {
            self.tell_the_end(&mut state, begun);
        }
    }

    /// The call has failed because of the store.
    pub(super) fn failed(&self, error: &StoreError) {
        let mut state = self.lock();
        let begun = state.under_way.take().map(|call| call.since);
        state.failed_while_closing |= self.is_closing();

        if state.failing.is_none() {
            state.failing = Some(Standing {
                since: begun.unwrap_or_else(Instant::now),
                cause: error.chain(),
            });
        }

        self.tell(&mut state);
    }

    /// The thread has ended; by itself, if there is a cause.
    pub(super) fn ended(&self, cause: Option<String>) {
        if let Some(cause) = cause {
            tracing::error!(
                service = %self.service, store = %self.place, cause,
                "the journal has ended"
            );
            self.lock().ended = Some(Standing {
                since: Instant::now(),
                cause,
            });
        }
        self.ended.send_replace(true);
    }

    /// Waits until the thread has ended by itself, which it does only when it cannot go on.
    pub(super) async fn ended_by_itself(&self) -> Standing {
        let mut ended = self.ended.subscribe();
        // The sender is ours, so it does not close.
        let _ = ended.wait_for(|ended| *ended).await;

        match self.standing_for_good() {
            Some(standing) => standing,
            None => std::future::pending().await,
        }
    }

    fn standing_for_good(&self) -> Option<Standing> {
        self.lock().ended.clone()
    }

    /// What stands still now.
    pub(super) fn standing(&self) -> Option<Standing> {
        self.lock().standing()
    }

    /// Whether the newest write has failed.
    pub(super) fn is_failing(&self) -> bool {
        self.lock().failing.is_some()
    }

    /// The journal has been told to close.
    pub(super) fn close(&self) {
        // The first to say so counts.
        let _ = self.closing.set(Instant::now());
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.get().is_some()
    }

    /// Whether the journal is to end without doing what waits: it has been told to close, and the
    /// store has failed since.
    pub(super) fn gives_up(&self) -> bool {
        self.lock().failed_while_closing
    }

    fn tell(&self, state: &mut State) {
        if state.told {
            return;
        }
        if let Some(Standing { cause, .. }) = state.standing() {
            tracing::error!(
                service = %self.service, store = %self.place, cause,
                "the store stands still"
            );
            state.told = true;
        }
    }

    /// What stood still since then is over; says so to whoever was told of it.
    fn tell_the_end(&self, state: &mut State, since: Option<Instant>) {
        if std::mem::take(&mut state.told) {
            let seconds = since.map_or(0, |since| since.elapsed().as_secs());
            tracing::info!(
                service = %self.service, store = %self.place, seconds,
                "the store answers again"
            );
        }
    }

    // Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn standing(&self) -> Option<Standing> {
        let slow = || {
            let call = self.under_way.as_ref()?;
            let seconds = call.since.elapsed();
            let reason = call.waits_for.as_deref();
            (seconds >= STANDS_AFTER).then(|| Standing {
                since: call.since,
                cause: format!(
                    "{} has had no answer for {} s{}{}",
                    call.what,
                    seconds.as_secs(),
                    if reason.is_some() { ": " } else { "" },
                    reason.unwrap_or("")
                ),
            })
        };

        self.ended
            .clone()
            .or_else(|| self.failing.clone())
            .or_else(slow)
    }
}

/// How long a call of the commit store may go on without an answer.
#[derive(Debug)]
pub struct Patience {
    watch: Arc<Watch>,
    until: Instant,
}

impl Patience {
    /// When the call should give up.
    #[must_use]
    pub fn ends(&self) -> Instant {
        match self.watch.closing.get() {
            Some(closing) => self.until.min(*closing + PATIENCE_WHILE_CLOSING),
            None => self.until,
        }
    }

    /// Whether the call should give up. It can also end early, because the journal closes.
    #[must_use]
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.ends()
    }

    /// Says what the call waits for, as far as the store knows.
    pub fn waits_for(&self, what: impl FnOnce() -> String) {
        let mut state = self.watch.lock();
        if let Some(call) = &mut state.under_way {
            call.waits_for.get_or_insert_with(what);
        }
        self.watch.tell(&mut state);
    }
}

#[cfg(test)]
mod tests;
