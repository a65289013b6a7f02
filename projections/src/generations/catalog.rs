//! The steps a catalog takes: each gives the catalog to be saved next, and nothing else is ever
//! saved.
//!
//! Beside the generation that answers there is at most one other: the one that is built, or the one
//! kept to go back to.

use sagas::Timestamp;

use uuid::Uuid;

use super::{Binding, Bound, BuildFrom, Catalog, Generation, Stage};

/// Remembers at most this many requests of operators. Rebuilds are rare.
const MAX_BOUND: usize = 1_000;

impl Catalog {
    /// Whether it may take the place of a stored one of the same deployment: a store that several
    /// nodes share saves no other.
    #[must_use]
    pub fn follows_on(&self, stored: &Catalog) -> bool {
        self.revision == 0 || self.revision > stored.revision
    }

    /// The generation of this number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Generation> {
        self.generations
            .iter()
            .find(|generation| generation.number == number)
    }

    /// The generation that answers.
    #[must_use]
    pub fn answering(&self) -> Option<&Generation> {
        self.live.and_then(|number| self.get(number))
    }

    /// The generation that is being built.
    #[must_use]
    pub fn building(&self) -> Option<&Generation> {
        self.beside()
            .find(|generation| generation.stage != Stage::Ready)
    }

    /// The generation that one command goes back to.
    #[must_use]
    pub fn kept(&self) -> Option<&Generation> {
        self.beside()
            .find(|generation| generation.stage == Stage::Ready)
    }

    fn beside(&self) -> impl Iterator<Item = &Generation> {
        self.generations
            .iter()
            .filter(|generation| Some(generation.number) != self.live)
    }

    /// With a new generation to be built. Whatever else is beside the answering one makes room.
    #[must_use]
    pub(crate) fn with_new(
        &self,
        definition: u32,
        from: BuildFrom,
        begun_at: Timestamp,
    ) -> Catalog {
        let number = self.newest.saturating_add(1);

        let stage = match from {
            BuildFrom::History => Stage::CatchingUp,
            BuildFrom::Entities => Stage::Copying,
        };

        let mut generations: Vec<Generation> = self.answering().cloned().into_iter().collect();
        generations.push(Generation {
            number,
            definition,
            from,
            stage,
            begun_at,
            replaced_at: None,
        });

        Catalog {
            generations,
            newest: number,
            ..self.clone()
        }
    }

    /// All rows are copied into a generation.
    #[must_use]
    pub(crate) fn with_copied(&self, number: u32) -> Catalog {
        self.with_stage(number, Stage::CatchingUp)
    }

    /// Another generation answers; the one that has answered is kept.
    #[must_use]
    pub(crate) fn with_live(&self, number: u32, now: Timestamp) -> Catalog {
        let mut next = Catalog {
            live: Some(number),
            ..self.with_stage(number, Stage::Ready)
        };
        for generation in &mut next.generations {
            generation.replaced_at =
                (generation.number != number).then(|| generation.replaced_at.unwrap_or(now));
        }
        next
    }

    /// The generation that has answered before does so again.
    #[must_use]
    pub(crate) fn with_answering(&self, number: u32) -> Catalog {
        let mut next = Catalog {
            live: Some(number),
            ..self.clone()
        };
        for generation in &mut next.generations {
            generation
                .replaced_at
                .take_if(|_| generation.number == number);
        }
        next
    }

    /// Without a generation that is damaged. Another one is built in its place, unless one is
    /// already, or it was only kept. If it was the one that answers, the one that is kept does so
    /// until then, and without that none.
    #[must_use]
    pub(crate) fn with_replaced(&self, number: u32, definition: u32, now: Timestamp) -> Catalog {
        let Some(gone) = self.get(number) else {
            return self.clone();
        };
        let was_live = self.live == Some(number);
        let was_kept = !was_live && gone.stage == Stage::Ready;
        let from = if was_live {
            BuildFrom::History
        } else {
            gone.from
        };

        let live = if was_live {
            self.kept().map(|kept| kept.number)
        } else {
            self.live
        };
        let rest = self.without(number);
        let rest = match live {
            Some(live) => rest.with_answering(live),
            None => Catalog { live, ..rest },
        };

        if was_kept || rest.building().is_some() {
            rest
        } else {
            rest.with_new(definition, from, now)
        }
    }

    #[must_use]
    pub(crate) fn without(&self, number: u32) -> Catalog {
        let mut next = self.clone();
        next.generations
            .retain(|generation| generation.number != number);
        next
    }

    /// What a request has been answered before that had this key.
    #[must_use]
    pub(crate) fn bound(&self, key: Uuid) -> Option<&Bound> {
        self.bound.iter().find(|bound| bound.by.key == key)
    }

    /// The request that has led to this catalog is bound to its key.
    #[must_use]
    pub(crate) fn with_bound(mut self, by: Option<Binding>, generation: u32) -> Catalog {
        self.bound.extend(by.map(|by| Bound { by, generation }));
        let excess = self.bound.len().saturating_sub(MAX_BOUND);
        self.bound.drain(..excess);
        self
    }

    fn with_stage(&self, number: u32, stage: Stage) -> Catalog {
        let mut next = self.clone();
        for generation in next
            .generations
            .iter_mut()
            .filter(|generation| generation.number == number)
        {
            generation.stage = stage;
        }
        next
    }
}

#[cfg(test)]
mod tests;
