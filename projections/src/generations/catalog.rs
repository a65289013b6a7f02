//! The steps a catalog takes: each gives the catalog to be saved next, and nothing else is ever saved.
//!
//! Beside the generation that answers there is at most one other: the one that is built, or the one kept to go back to.

use domain::Timestamp;

use super::{BuildFrom, Catalog, Generation, Stage};

impl Catalog {
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Generation> {
        self.generations.iter().find(|generation| generation.number == number)
    }

    /// The generation that answers.
    #[must_use]
    pub fn answering(&self) -> Option<&Generation> {
        self.live.and_then(|number| self.get(number))
    }

    /// The generation that is being built.
    #[must_use]
    pub fn building(&self) -> Option<&Generation> {
        self.beside().find(|generation| generation.stage != Stage::Ready)
    }

    /// The generation that one command goes back to.
    #[must_use]
    pub fn kept(&self) -> Option<&Generation> {
        self.beside().find(|generation| generation.stage == Stage::Ready)
    }

    fn beside(&self) -> impl Iterator<Item = &Generation> {
        self.generations.iter().filter(|generation| Some(generation.number) != self.live)
    }

    /// With a new generation to be built. Whatever else is beside the answering one makes room.
    #[must_use]
    pub(crate) fn with_new(&self, definition: u32, from: BuildFrom, begun_at: Timestamp) -> Catalog {
        let number = self.newest.saturating_add(1);
        let stage = match from {
            BuildFrom::History => Stage::CatchingUp,
            BuildFrom::Entities => Stage::Copying,
        };
        let mut generations: Vec<Generation> = self.answering().cloned().into_iter().collect();
        generations.push(Generation { number, definition, from, stage, begun_at });
        Catalog { live: self.live, generations, newest: number }
    }

    /// All rows are copied into a generation.
    #[must_use]
    pub(crate) fn with_copied(&self, number: u32) -> Catalog {
        self.with_stage(number, Stage::CatchingUp)
    }

    /// Another generation answers; the one that has answered is kept.
    #[must_use]
    pub(crate) fn with_live(&self, number: u32) -> Catalog {
        Catalog { live: Some(number), ..self.with_stage(number, Stage::Ready) }
    }

    #[must_use]
    pub(crate) fn without(&self, number: u32) -> Catalog {
        let mut next = self.clone();
        next.generations.retain(|generation| generation.number != number);
        next
    }

    fn with_stage(&self, number: u32, stage: Stage) -> Catalog {
        let mut next = self.clone();
        for generation in next.generations.iter_mut().filter(|generation| generation.number == number) {
            generation.stage = stage;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(5);

    fn numbers(catalog: &Catalog) -> Vec<u32> {
        catalog.generations.iter().map(|generation| generation.number).collect()
    }

    #[test]
    fn a_first_generation_is_built_before_it_answers() {
        let first = Catalog::default().with_new(1, BuildFrom::History, NOW);
        assert_eq!((first.live, first.newest), (None, 1));
        assert_eq!(first.building().map(|generation| generation.number), Some(1));
        let live = first.with_live(1);
        assert_eq!((live.live, live.building(), live.kept()), (Some(1), None, None));
    }

    #[test]
    fn the_generation_that_has_answered_is_kept_until_the_next_rebuild() {
        let live = Catalog::default().with_new(1, BuildFrom::History, NOW).with_live(1);
        let building = live.with_new(1, BuildFrom::Entities, NOW);
        assert_eq!(building.building().map(|generation| generation.stage), Some(Stage::Copying));
        let swapped = building.with_copied(2).with_live(2);
        assert_eq!(swapped.kept().map(|generation| generation.number), Some(1));
        assert_eq!(numbers(&swapped.with_new(1, BuildFrom::History, NOW)), [2, 3]);
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let live = Catalog::default().with_new(1, BuildFrom::History, NOW).with_live(1);
        let given_up = live.with_new(1, BuildFrom::History, NOW).without(2);
        assert_eq!(given_up.with_new(1, BuildFrom::History, NOW).newest, 3);
    }

    #[test]
    fn going_back_keeps_the_other_one() {
        let live = Catalog::default().with_new(1, BuildFrom::History, NOW).with_live(1);
        let swapped = live.with_new(1, BuildFrom::History, NOW).with_live(2);
        let back = swapped.with_live(1);
        assert_eq!((back.live, back.kept().map(|generation| generation.number)), (Some(1), Some(2)));
    }
}
