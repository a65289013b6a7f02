//! The directory of one shard: which entities have an actor in memory.
//!
//! It is bounded: when there are too many, those unused for the longest time are passivated. An
//! actor leaves only when none of its units is in flight, because what it would be loaded from is
//! not durable before.

use std::collections::HashMap;
use std::hash::Hash;

use actix::{Actor, Addr, Context};

/// One actor in memory.
#[derive(Debug)]
pub(crate) struct Live<A: Actor<Context = Context<A>>> {
    pub address: Addr<A>,
    /// The ticket of the last unit it took part in.
    last_ticket: u64,
    /// When it was last used, in turns of the shard.
    used: u64,
}

/// The actors of one kind.
#[derive(Debug)]
pub(crate) struct Directory<K, A: Actor<Context = Context<A>>> {
    live: HashMap<K, Live<A>>,
    bound: usize,
    uses: u64,
}

impl<K: Eq + Hash + Copy + Ord, A: Actor<Context = Context<A>>> Directory<K, A> {
    pub(crate) fn new(bound: usize) -> Self {
        Directory {
            live: HashMap::new(),
            bound: bound.max(16),
            uses: 0,
        }
    }

    pub(crate) fn contains(&self, id: K) -> bool {
        self.live.contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    /// Takes in an actor that has just been started.
    pub(crate) fn insert(&mut self, id: K, address: Addr<A>) {
        self.uses += 1;
        self.live.insert(
            id,
            Live {
                address,
                last_ticket: 0,
                used: self.uses,
            },
        );
    }

    /// The actor of an entity, which counts as used.
    pub(crate) fn get(&mut self, id: K) -> Option<Addr<A>> {
        self.uses += 1;
        let uses = self.uses;
        self.live.get_mut(&id).map(|live| {
            live.used = uses;
            live.address.clone()
        })
    }

    /// Notes that the entity takes part in the unit with this ticket.
    pub(crate) fn took_part(&mut self, id: K, ticket: u64) {
        if let Some(live) = self.live.get_mut(&id) {
            live.last_ticket = ticket;
        }
    }

    /// Puts an actor out of memory, if none of its units is in flight. It stops when its last
    /// address is dropped.
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

    pub(crate) fn remove(&mut self, id: K) {
        self.live.remove(&id);
    }

    pub(crate) fn clear(&mut self) {
        self.live.clear();
    }

    /// Passivates the longest unused quarter when there are more than the bound; answers how many.
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
