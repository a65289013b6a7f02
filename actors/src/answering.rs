//! The way of an answer back to a caller on this node, on which it can lie ready without waking
//! anybody.
//!
//! A caller that waits for the end of a saga need not hear that the saga has begun: nothing wakes
//! it for that. Everything else does: a refusal, a shard that moves, and a request that is dropped.
//!
//! What a caller holds while its request is work goes this way, too. It is let go of when there is
//! an answer, and when the caller goes.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_util::task::AtomicWaker;
use tokio::sync::oneshot;

use crate::entity::Entity;
use crate::error::CommandError;
use crate::request::{Heard, Moved, Question, Reply, ShardAnswer};

/// What somebody holds while a command is work: dropped when it is carried out or refused, and when
/// nobody waits for that any more.
#[derive(Default)]
pub struct Work(Option<Box<dyn Any + Send + Sync>>);

impl Work {
    /// Holds this.
    #[must_use]
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Work(Some(Box::new(held)))
    }

    fn take(&mut self) -> Self {
        Work(self.0.take())
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Work").field(&self.0.is_some()).finish()
    }
}

#[derive(Debug, Default)]
struct Shared {
    /// An answer lies ready.
    is_ready: AtomicBool,
    /// Something has come of the request that its caller is to look at.
    is_told: AtomicBool,
    caller: AtomicWaker,
    work: Mutex<Work>,
}

impl Shared {
    fn take_work(&self) -> Work {
        // Nothing panics while it holds the lock.
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.take()
    }
}

/// The side of the shard, or of whatever brings another node's answer.
#[derive(Debug)]
pub(crate) struct Teller<E: Entity> {
    answer: Option<oneshot::Sender<Heard<E>>>,
    is_quiet: bool,
    shared: Arc<Shared>,
}

/// The side of the caller.
#[derive(Debug)]
pub(crate) struct Listener<E: Entity> {
    /// Absent when it has heard the answer.
    answer: Option<oneshot::Receiver<Heard<E>>>,
    shared: Arc<Shared>,
}

/// The two sides of one way.
pub(crate) fn answering<E: Entity>(work: Work) -> (Teller<E>, Listener<E>) {
    let (tell, told) = oneshot::channel();
    let shared = Arc::new(Shared {
        work: Mutex::new(work),
        ..Shared::default()
    });
    let teller = Teller {
        answer: Some(tell),
        is_quiet: false,
        shared: Arc::clone(&shared),
    };
    let listener = Listener {
        answer: Some(told),
        shared,
    };
    (teller, listener)
}

impl<E: Entity> Teller<E> {
    /// Whether nobody waits any more.
    pub(crate) fn is_for_nobody(&self) -> bool {
        self.answer.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Answers. Where the end of a saga is told later, whoever waits for that is not woken now.
    pub(crate) fn answer(mut self, reply: Reply<E>, end_is_told: bool) {
        self.is_quiet = end_is_told && goes_on(&reply);
        self.send(Heard::Reply(reply));
    }

    /// The shard is another node's, which is to be asked in the place of this one.
    pub(crate) fn moved(mut self, question: Question<E>) {
        let work = self.shared.take_work();
        self.send(Heard::Moved(Box::new(Moved { question, work })));
    }

    fn send(&mut self, heard: Heard<E>) {
        if let Some(answer) = self.answer.take() {
            // The caller may have gone.
            let _ = answer.send(heard);
            self.shared.is_ready.store(true, Ordering::Release);
        }
    }
}

impl<E: Entity> Drop for Teller<E> {
    fn drop(&mut self) {
        drop(self.shared.take_work());
        if !self.is_quiet {
            // Closes without an answer, if there was none, before anybody looks.
            self.answer = None;
            self.shared.is_told.store(true, Ordering::Release);
            self.shared.caller.wake();
        }
    }
}

impl<E: Entity> Listener<E> {
    /// Waits until something has come of the request that is to be looked at.
    pub(crate) async fn is_told(&self) {
        poll_fn(|context| {
            self.shared.caller.register(context.waker());
            match self.shared.is_told.load(Ordering::Acquire) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// [`CommandError::Unavailable`] when there is none any more: the shard has ended with its
    /// node, or has panicked.
    pub(crate) async fn heard(&mut self) -> Result<Heard<E>, CommandError> {
        let answer = self.answer.as_mut().ok_or(CommandError::Unavailable)?;
        let heard = answer.await;
        self.answer = None;
        heard.map_err(|_| CommandError::Unavailable)
    }

    /// Whether the answer lies ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.shared.is_ready.load(Ordering::Acquire)
    }
}

impl<E: Entity> Drop for Listener<E> {
    fn drop(&mut self) {
        drop(self.shared.take_work());
    }
}

/// Whether the answer speaks of a saga whose end is told later.
pub(crate) fn goes_on<E: Entity>(reply: &Reply<E>) -> bool {
    matches!(reply, Ok(ShardAnswer::Entity(answer)) if answer.awaited().is_some())
}
