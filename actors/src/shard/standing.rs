//! Events that could not be read in the outbox of another service, as they stand there now: somebody
//! may have mended their rows.

use std::borrow::Cow;

use sagas::Service;
use store::unit::MAX_MESSAGES;
use store::{Destination, Message};

use super::Shard;
use super::inbox::in_time;
use crate::entity::Entity;

impl<E: Entity> Shard<E> {
    /// Reads an event again that could not be read, which may be one that nobody here wants, or still
    /// not be readable; every other message stands as it was sent. Nothing stands there when the row
    /// has fewer events than it was taken to have: of a damaged one nobody knows.
    ///
    /// `silent` is a service whose store has not answered: it is not asked again.
    ///
    /// # Errors
    /// Why the outbox cannot be read now.
    pub(super) async fn standing<'a>(
        &self,
        message: &'a Message,
        silent: &mut Option<Service>,
    ) -> Result<Option<Cow<'a, Message>>, String> {
        if message.unreadable().is_none() {
            return Ok(Some(Cow::Borrowed(message)));
        }

        let (source, service) = (message.source, message.source.service);
        if *silent == Some(service) {
            return Err(format!("{service} does not answer"));
        }
        // With what stands before it in its row.
        let most = u64::try_from(MAX_MESSAGES).unwrap_or(u64::MAX);
        let before = message.sequence.saturating_sub(most);
        let log = &self.parts.log;
        let reading = log.read(source, Destination::Events, before, MAX_MESSAGES);

        let found = in_time(reading).await;
        if found.is_err() {
            *silent = Some(service);
        }
        Ok(stands(message, found?))
    }
}

fn stands(message: &Message, found: Vec<Message>) -> Option<Cow<'_, Message>> {
    let is_up_to_it = |event: &Message| event.sequence <= message.sequence;
    let newest = found.into_iter().rfind(is_up_to_it);

    match newest.filter(|event| event.entity == message.entity) {
        Some(event) if event.sequence == message.sequence => Some(Cow::Owned(event)),
        // What stands in one row has one time.
        Some(event) if event.unreadable().is_none() && event.time == message.time => None,
        _ => Some(Cow::Borrowed(message)),
    }
}

#[cfg(test)]
mod tests;
