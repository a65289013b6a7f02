//! What a subscriber receives, and the room it takes up until the subscriber has let go of it.

use std::ops::Deref;
use std::slice;
use std::sync::Arc;
use std::vec;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Message;

/// Messages of one or several sources, in order per source.
#[derive(Debug, Default)]
pub struct Delivery {
    messages: Vec<Arc<Message>>,
    /// Given back when the delivery is dropped.
    _room: Option<OwnedSemaphorePermit>,
}

impl Deref for Delivery {
    type Target = [Arc<Message>];

    fn deref(&self) -> &Self::Target {
        &self.messages
    }
}

impl FromIterator<Arc<Message>> for Delivery {
    fn from_iter<I: IntoIterator<Item = Arc<Message>>>(messages: I) -> Self {
        Delivery {
            messages: messages.into_iter().collect(),
            _room: None,
        }
    }
}

impl IntoIterator for Delivery {
    type Item = Arc<Message>;
    type IntoIter = vec::IntoIter<Arc<Message>>;

    fn into_iter(self) -> Self::IntoIter {
        self.messages.into_iter()
    }
}

impl<'a> IntoIterator for &'a Delivery {
    type Item = &'a Arc<Message>;
    type IntoIter = slice::Iter<'a, Arc<Message>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The room that the deliveries of one subscriber may take up, in bytes of message bodies.
#[derive(Clone, Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    size: u32,
}

impl Room {
    pub(super) fn of(size: u32) -> Self {
        let permits = usize::try_from(size).unwrap_or(usize::MAX);
        Room {
            free: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            size,
        }
    }

    /// Takes room for some messages; `None` when there is not enough. What is larger than all the
    /// room gets in when nothing else is there.
    pub(super) fn take(&self, messages: &[Arc<Message>]) -> Option<Delivery> {
        let bytes: usize = messages
            .iter()
            .map(|message| message.body.get().len())
            .sum();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.size);

        let room = Arc::clone(&self.free).try_acquire_many_owned(bytes).ok()?;
        Some(Delivery {
            messages: messages.to_vec(),
            _room: Some(room),
        })
    }
}
