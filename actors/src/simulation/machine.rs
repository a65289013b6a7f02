//! A machine that a node runs on.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::Instant;

/// A machine whose work goes on for this many turns without any time passing goes on for ever: it
/// stands still from then on.
const TURNS_AT_ONCE: u32 = 1_000;

/// A machine of a simulation. What runs on it dies with it, at whatever it was waiting for.
#[derive(Debug)]
pub struct Machine {
    inside: Rc<Inside>,
    driver: JoinHandle<()>,
}

/// The machine has crashed before the work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crashed;

struct Inside {
    work: RefCell<LocalSet>,
    /// It does nothing until then.
    stopped_until: Cell<Option<Instant>>,
    changed: Notify,
    /// At which moment its work had its last turn, and how many at that moment.
    turns: Cell<(Instant, u32)>,
}

impl Machine {
    /// One on which nothing runs. Call it within a simulation.
    #[must_use]
    pub fn new() -> Self {
        let inside = Rc::new(Inside {
            work: RefCell::new(LocalSet::new()),
            stopped_until: Cell::new(None),
            changed: Notify::new(),
            turns: Cell::new((Instant::now(), 0)),
        });
        let driver = tokio::task::spawn_local(Rc::clone(&inside).drive());
        Machine { inside, driver }
    }

    /// Does some work on it, which may start more.
    ///
    /// # Errors
    /// When the machine crashes meanwhile, or the work panics.
    pub async fn run<T: 'static>(
        &self,
        work: impl Future<Output = T> + 'static,
    ) -> Result<T, Crashed> {
        let done = self.inside.work.borrow().spawn_local(work);
        self.inside.changed.notify_one();
        done.await.map_err(|_| Crashed)
    }

    /// Has it do nothing for so long, as a process that is stopped.
    pub fn stop(&self, time: Duration) {
        self.inside.stopped_until.set(Some(Instant::now() + time));
        self.inside.changed.notify_one();
    }

    /// Ends everything on it, wherever it is.
    pub fn crash(&self) {
        self.driver.abort();
        self.inside.work.take();
    }
}

impl Default for Machine {
    fn default() -> Self {
        Machine::new()
    }
}

impl Inside {
    fn goes_on_for_ever(&self) -> bool {
        let (moment, turns) = self.turns.get();
        let now = Instant::now();
        let turns = if moment == now { turns + 1 } else { 1 };
        self.turns.set((now, turns));
        turns > TURNS_AT_ONCE
    }

    /// Has the work go on, whenever the machine is not stopped.
    async fn drive(self: Rc<Self>) {
        loop {
            if let Some(until) = self.stopped_until.get() {
                tokio::time::sleep_until(until).await;
                // It may have been stopped for longer meanwhile.
                if self
                    .stopped_until
                    .get()
                    .is_some_and(|until| until <= Instant::now())
                {
                    self.stopped_until.set(None);
                }
                continue;
            }

            let work = poll_fn(|context| {
                if self.goes_on_for_ever() {
                    return Poll::Pending;
                }
                let work = Pin::new(&mut *self.work.borrow_mut()).poll(context);
                // Without work it waits for some.
                let _ = work;
                Poll::<()>::Pending
            });
            tokio::select! {
                biased;
                () = self.changed.notified() => {}
                () = work => {}
            }
        }
    }
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside").finish_non_exhaustive()
    }
}
