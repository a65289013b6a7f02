//! The history of one entity, folded event by event: contiguous versions, times that never go back,
//! changes that its states allow.
//!
//! A view may show an older version, so the fold keeps the states at the versions that views show
//! ([`Mark`]).

use domain::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::Message;
use uuid::Uuid;

use super::problem::Mismatch;

/// An entity as an audit folds it.
pub(super) trait Entity: Clone {
    /// What a row or a view shows of it.
    type Document: PartialEq + Serialize;
    /// What a snapshot has of it.
    type State: PartialEq + Serialize + DeserializeOwned;
    /// The form of the snapshots that are looked at.
    const SNAPSHOT_FORM: u16;

    /// The state after its first event.
    fn first(id: Uuid, message: &Message) -> Result<Self, Mismatch>;

    /// The state after one more event.
    fn next(&mut self, message: &Message) -> Result<(), Mismatch>;

    fn document(&self) -> Self::Document;

    fn state(&self) -> &Self::State;
}

/// A version that a view shows, 0 when it shows nothing.
#[derive(Clone, Debug)]
pub(super) struct Mark<E> {
    pub version: u64,
    /// The state at that version, once it is reached.
    pub state: Option<E>,
    /// The sequence of the event after that version, if there is one.
    pub next_sequence: Option<u64>,
}

/// The fold of an entity's events so far.
pub(super) struct History<E> {
    pub id: Uuid,
    pub version: u64,
    pub time: Timestamp,
    pub state: Option<E>,
    pub marks: Vec<Mark<E>>,
    /// The first thing that is wrong with it; the fold stops there.
    pub broken: Option<Mismatch>,
}

impl<E: Entity> History<E> {
    pub(super) fn new(id: Uuid, shown: &[u64]) -> Self {
        let mark = |version: &u64| Mark {
            version: *version,
            state: None,
            next_sequence: None,
        };
        History {
            id,
            version: 0,
            time: Timestamp::default(),
            state: None,
            marks: shown.iter().map(mark).collect(),
            broken: None,
        }
    }

    pub(super) fn take(&mut self, message: &Message) {
        if self.broken.is_none()
            && let Err(mismatch) = self.fold(message)
        {
            self.broken = Some(mismatch);
        }
    }

    pub(super) fn breaks(&mut self, mismatch: Mismatch) {
        self.broken.get_or_insert(mismatch);
    }

    fn fold(&mut self, message: &Message) -> Result<(), Mismatch> {
        let next = self.version + 1;
        if message.version != next {
            return Err(Mismatch::new(
                "version of the next event",
                next,
                message.version,
            ));
        }

        if message.time < self.time {
            let what = format!("time of version {next}");
            return Err(Mismatch::new(
                what,
                format_args!("{} or later", self.time),
                message.time,
            ));
        }

        match &mut self.state {
            None => self.state = Some(E::first(self.id, message)?),
            Some(state) => state.next(message)?,
        }

        self.version = next;
        self.time = message.time;

        for mark in &mut self.marks {
            if mark.version == next {
                mark.state.clone_from(&self.state);
            } else if mark.version + 1 == next {
                mark.next_sequence = Some(message.sequence);
            }
        }

        Ok(())
    }
}
