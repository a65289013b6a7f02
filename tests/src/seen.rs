//! What one reader has seen, and whether a later read shows less: never less than the tokens it
//! sends, and never backwards. The checks of reads that tests share.

use std::collections::BTreeMap;

use uuid::Uuid;

/// What a reader has seen, by the tokens it sends along.
#[derive(Clone, Debug, Default)]
pub struct Seen(BTreeMap<Uuid, u64>);

impl Seen {
    /// Notes that an entity has been seen at a version.
    pub fn see(&mut self, entity: Uuid, version: u64) {
        let seen = self.0.entry(entity).or_default();
        *seen = version.max(*seen);
    }

    /// What has been seen.
    pub fn entities(&self) -> impl Iterator<Item = Uuid> {
        self.0.keys().copied()
    }

    /// What a read shows less than it must: the entities among `wanted` that have been seen and are
    /// not shown, and those that are shown as they were before.
    pub fn missing(
        &self,
        wanted: impl IntoIterator<Item = Uuid>,
        shown: &BTreeMap<Uuid, u64>,
    ) -> Vec<String> {
        let absent = wanted
            .into_iter()
            .filter_map(|entity| Some((entity, self.0.get(&entity)?)))
            .filter(|(entity, _)| !shown.contains_key(entity))
            .map(|(entity, seen)| format!("{entity} was seen at version {seen} and is not shown"));
        let older = shown.iter().filter_map(|(entity, version)| {
            let seen = self.0.get(entity).filter(|seen| *seen > version)?;
            Some(format!(
                "{entity} was seen at version {seen} and is shown at {version}"
            ))
        });
        absent.chain(older).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const TWO: Uuid = Uuid::from_u128(2);

    #[test]
    fn a_read_that_shows_less_than_was_seen_is_noticed() {
        let mut seen = Seen::default();
        seen.see(ONE, 2);
        seen.see(ONE, 1);

        let shown = |version| BTreeMap::from([(ONE, version)]);
        assert!(seen.missing([ONE, TWO], &shown(2)).is_empty());
        assert!(seen.missing([], &BTreeMap::new()).is_empty());
        assert_eq!(
            seen.missing([ONE], &shown(1)),
            [format!("{ONE} was seen at version 2 and is shown at 1")]
        );
        assert_eq!(
            seen.missing([ONE, TWO], &BTreeMap::new()),
            [format!("{ONE} was seen at version 2 and is not shown")]
        );
    }
}
