//! Pipelined group commit: whatever has gathered while one commit ran goes into the next.
//!
//! No timer: a lone unit is committed at once. It hands over what a unit causes outside (an answer,
//! a message to the other service) only after the commit.

use std::sync::mpsc::Receiver;

use anyhow::Context;
use rusqlite::Connection;

/// At most this many units in one commit, so that a full queue does not grow into one endless
/// transaction.
const LARGEST_COMMIT: usize = 2_048;

/// How one service turns its messages into rows.
pub trait Service {
    /// What the service receives.
    type Message;

    /// Writes the rows of one unit into the open transaction and remembers what it causes.
    fn write(&mut self, message: Self::Message) -> rusqlite::Result<()>;

    /// The transaction is durable: lets out what its units caused.
    fn committed(&mut self);
}

/// Commits what arrives until nobody is left to send.
pub fn commit_all<S: Service>(
    database: &Connection,
    mut service: S,
    inbox: &Receiver<S::Message>,
) -> anyhow::Result<()> {
    let mut begin = database.prepare("BEGIN IMMEDIATE")?;
    let mut commit = database.prepare("COMMIT")?;

    while let Ok(first) = inbox.recv() {
        begin.execute([])?;
        service.write(first).context("cannot write a unit")?;
        for message in inbox.try_iter().take(LARGEST_COMMIT - 1) {
            service.write(message).context("cannot write a unit")?;
        }
        commit.execute([]).context("cannot commit")?;
        service.committed();
    }

    Ok(())
}
