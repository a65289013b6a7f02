//! What callers were told, and whether it has stayed true: the checks that the simulator and the
//! soak share.

use std::collections::BTreeMap;

use uuid::Uuid;

/// What a caller knows for sure of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its id.
    pub entity: Uuid,
    /// It has had this version.
    pub version: u64,
    /// The answer says that it repeats a former one.
    pub repeated: bool,
}

/// What callers were told, by the number of what they have done.
#[derive(Clone, Debug, Default)]
pub struct Answers(BTreeMap<usize, Vec<Told>>);

impl Answers {
    /// Notes an answer.
    pub fn note(&mut self, number: usize, told: Told) {
        self.0.entry(number).or_default().push(told);
    }

    /// The first answer to what has this number.
    #[must_use]
    pub fn first(&self, number: usize) -> Option<Told> {
        self.0.get(&number)?.first().copied()
    }

    /// The last answer to what has this number.
    #[must_use]
    pub fn last(&self, number: usize) -> Option<Told> {
        self.0.get(&number)?.last().copied()
    }

    /// Everything that was answered, by its number.
    pub fn all(&self) -> impl Iterator<Item = (usize, &[Told])> {
        self.0
            .iter()
            .map(|(number, told)| (*number, told.as_slice()))
    }

    /// The newest version that anybody was told of each entity.
    #[must_use]
    pub fn newest(&self) -> BTreeMap<Uuid, u64> {
        let mut newest = BTreeMap::new();
        for told in self.0.values().flatten() {
            let version = newest.entry(told.entity).or_insert(0);
            *version = told.version.max(*version);
        }
        newest
    }

    /// What was told and is not so: whoever was confirmed is there, and no older. `found` gives the
    /// version that an entity has.
    pub fn untrue(&self, found: impl Fn(Uuid) -> Option<u64>) -> Vec<String> {
        let is_untrue = |(entity, version): (Uuid, u64)| match found(entity) {
            None => Some(format!("{entity} was confirmed and is not there")),
            Some(has) if has < version => {
                Some(format!("{entity} has gone back from {version} to {has}"))
            }
            Some(_) => None,
        };
        self.newest().into_iter().filter_map(is_untrue).collect()
    }
}

/// What is wrong with the answers under one key, which has made `entity`: they are of that entity
/// alone, and whoever comes back hears of what was done, not of something new.
#[must_use]
pub fn second_effects(entity: Uuid, told: &[Told]) -> Vec<&'static str> {
    let of_others = told.iter().any(|told| told.entity != entity);
    let repeated = told.iter().skip_while(|told| !told.repeated);
    let new_again = repeated.filter(|told| !told.repeated).count() > 0;

    [
        (of_others, "its key has made several"),
        (new_again, "it was told of a second effect"),
    ]
    .into_iter()
    .filter_map(|(is_wrong, what)| is_wrong.then_some(what))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const TWO: Uuid = Uuid::from_u128(2);

    fn told(entity: Uuid, version: u64, repeated: bool) -> Told {
        Told {
            entity,
            version,
            repeated,
        }
    }

    #[test]
    fn what_is_gone_or_older_than_told_is_untrue() {
        let mut answers = Answers::default();
        for (number, answer) in [
            told(ONE, 1, false),
            told(ONE, 3, false),
            told(TWO, 1, false),
        ]
        .into_iter()
        .enumerate()
        {
            answers.note(number, answer);
        }

        assert!(answers.untrue(|_| Some(3)).is_empty());
        assert_eq!(
            answers.untrue(|entity| (entity == ONE).then_some(2)),
            [
                format!("{ONE} has gone back from 3 to 2"),
                format!("{TWO} was confirmed and is not there")
            ]
        );
    }

    #[test]
    fn a_key_that_makes_two_or_is_told_of_two_is_noticed() {
        let once = [told(ONE, 1, false), told(ONE, 2, false), told(ONE, 2, true)];
        assert!(second_effects(ONE, &once).is_empty());

        let two = [told(ONE, 1, false), told(TWO, 1, true)];
        assert_eq!(second_effects(ONE, &two), ["its key has made several"]);
        let again = [told(ONE, 1, true), told(ONE, 1, false)];
        assert_eq!(
            second_effects(ONE, &again),
            ["it was told of a second effect"]
        );
    }
}
