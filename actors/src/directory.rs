//! The directory of one shard: which entities are in memory, each with everything that decisions
//! about it need.
//!
//! An entry is loaded as a whole and dropped as a whole, so that what happens to one entity changes
//! nothing that another sees. An entity that nobody has looked for has no entry at all: *not
//! loaded* and *not there* are different answers.
//!
//! It is bounded: when there are too many actors, it passivates those unused for the longest time.
//! An actor leaves only when none of its units is in flight, because before that the row to load it
//! from is not durable.

use std::fmt;
use std::hash::Hash;

use actix::{Actor, Addr, Context};
use foldhash::{HashMap, HashMapExt};

use crate::step::StepError;

/// One actor in memory.
#[derive(Debug)]
pub(crate) struct Live<A: Actor<Context = Context<A>>, P> {
    pub address: Addr<A>,
    /// Parts read for the work at hand, beside the entity itself; dropped after the turn.
    pub parts: P,
    /// The ticket of the last unit it took part in.
    last_ticket: u64,
    /// When it was last used, in turns of the shard.
    used: u64,
}

/// What a look-up in this turn has found instead of an entity.
#[derive(Debug)]
enum Missing {
    /// There is no such entity.
    Absent,
    /// Its row cannot be read; the text says why.
    Unreadable(String),
}

/// The entities of one kind. `P` is what decisions need beside the entity itself.
#[derive(Debug)]
pub(crate) struct Directory<K, A: Actor<Context = Context<A>>, P = ()> {
    live: HashMap<K, Live<A, P>>,
    missing: HashMap<K, Missing>,
    bound: usize,
    uses: u64,
}

impl<K, A, P> Directory<K, A, P>
where
    K: Eq + Hash + Copy + Ord + fmt::Display,
    A: Actor<Context = Context<A>>,
    P: Default,
{
    pub(crate) fn new(bound: usize) -> Self {
        Directory {
            live: HashMap::new(),
            missing: HashMap::new(),
            bound: bound.max(1),
            uses: 0,
        }
    }

    /// Whether the entity has been looked for already.
    pub(crate) fn contains(&self, id: K) -> bool {
        self.live.contains_key(&id) || self.missing.contains_key(&id)
    }

    /// Whether the entity has an actor.
    pub(crate) fn is_live(&self, id: K) -> bool {
        self.live.contains_key(&id)
    }

    /// Whether the entity has been looked for and is not there.
    pub(crate) fn is_absent(&self, id: K) -> bool {
        matches!(self.missing.get(&id), Some(Missing::Absent))
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    /// Takes in an actor that has just been started.
    pub(crate) fn insert(&mut self, id: K, address: Addr<A>) {
        self.uses += 1;
        let live = Live {
            address,
            parts: P::default(),
            last_ticket: 0,
            used: self.uses,
        };
        self.missing.remove(&id);
        self.live.insert(id, live);
    }

    /// Notes that the entity was looked for and is not there.
    pub(crate) fn note_absent(&mut self, id: K) {
        self.missing.insert(id, Missing::Absent);
    }

    /// Notes that the entity's row cannot be read.
    pub(crate) fn note_unreadable(&mut self, id: K, cause: String) {
        self.missing.insert(id, Missing::Unreadable(cause));
    }

    /// The entity's entry, which counts as used; `None` when there is no such entity.
    ///
    /// # Errors
    /// [`StepError::NotLoaded`] when nobody has looked for it, [`StepError::Unreadable`] when its
    /// row cannot be read.
    pub(crate) fn find(&mut self, id: K) -> Result<Option<&mut Live<A, P>>, StepError> {
        self.uses += 1;
        if let Some(live) = self.live.get_mut(&id) {
            live.used = self.uses;
            return Ok(Some(live));
        }

        match self.missing.get(&id) {
            Some(Missing::Absent) => Ok(None),
            Some(Missing::Unreadable(cause)) => Err(StepError::Unreadable(cause.clone())),
            None => Err(StepError::NotLoaded),
        }
    }

    /// The address of an entity that exists.
    ///
    /// # Errors
    /// As [`find`](Directory::find); and [`StepError::Impossible`] when there is no such entity.
    pub(crate) fn address(&mut self, id: K) -> Result<&Addr<A>, StepError> {
        match self.find(id)? {
            Some(live) => Ok(&live.address),
            None => Err(StepError::Impossible(format!("there is no {id}"))),
        }
    }

    /// Where to put the parts of a live entity once they have been read.
    pub(crate) fn parts_of(&mut self, id: K) -> Option<&mut P> {
        self.live.get_mut(&id).map(|live| &mut live.parts)
    }

    /// Notes that the entity takes part in the unit with this ticket.
    pub(crate) fn took_part(&mut self, id: K, ticket: u64) {
        if let Some(live) = self.live.get_mut(&id) {
            live.last_ticket = ticket;
        }
    }

    /// Passivates an actor, if none of its units is in flight. It stops when its last address is
    /// dropped.
    pub(crate) fn retire(&mut self, id: K, durable: u64) -> bool {
        let idle = self
            .live
            .get(&id)
            .is_none_or(|live| live.last_ticket <= durable);
        if idle {
            self.live.remove(&id);
        }
        idle
    }

    /// Drops an entity with everything that was read for it.
    pub(crate) fn remove(&mut self, id: K) {
        self.live.remove(&id);
        self.missing.remove(&id);
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.live.clear();
        self.missing.clear();
    }

    /// Forgets what this turn has read and what it has not found: by the next turn somebody may
    /// have made it, or mended its row.
    pub(crate) fn end_turn(&mut self, read_for: impl IntoIterator<Item = K>) {
        self.missing.clear();

        for id in read_for {
            if let Some(live) = self.live.get_mut(&id) {
                live.parts = P::default();
            }
        }
    }

    /// Passivates the longest unused quarter when there are more than the bound; returns their
    /// number.
    pub(crate) fn passivate(&mut self, durable: u64) -> usize {
        if self.live.len() <= self.bound {
            return 0;
        }

        let idle = self
            .live
            .iter()
            .filter(|(_, live)| live.last_ticket <= durable);
        let mut idle: Vec<_> = idle.map(|(id, live)| (live.used, *id)).collect();
        idle.sort_unstable();
        let surplus = self.live.len() - self.bound + self.bound / 4;
        idle.truncate(surplus);

        for (_, id) in &idle {
            self.live.remove(id);
        }
        idle.len()
    }
}
