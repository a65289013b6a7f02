//! Wire names that mean two things, found when a service is registered rather than when one of its
//! messages is taken for another.

/// The wire names of some messages, as [`WIRE_NAMES`](super::WireMessage::WIRE_NAMES) has them.
pub type Names = &'static [(&'static str, u16)];

/// Whether a message has one of these names, in whatever version.
#[must_use]
pub fn is_among(name: &str, names: Names) -> bool {
    names.iter().any(|(known, _)| *known == name)
}

/// A wire name with two meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwoMeanings {
    /// Messages of two kinds have it, and a name is all that tells them apart.
    #[error("message {name} has two meanings, {one} and {other}")]
    Kinds {
        /// The wire name.
        name: &'static str,
        /// The kind that was looked at first, in words.
        one: &'static str,
        /// The other kind, in words.
        other: &'static str,
    },
    /// Two messages have it in the same version, and only the first would ever be read.
    #[error("version {version} of message {name} is declared twice")]
    Twice {
        /// The wire name.
        name: &'static str,
        /// The version that both have.
        version: u16,
    },
}

/// The first name with two meanings among messages of these kinds, each said in words. A kind may
/// come several times: its name means the same then.
#[must_use]
pub fn two_meanings(kinds: &[(&'static str, Names)]) -> Option<TwoMeanings> {
    for (place, (kind, names)) in kinds.iter().enumerate() {
        for (index, (name, version)) in names.iter().enumerate() {
            let mut earlier = names.iter().take(index);
            if earlier.any(|earlier| *earlier == (*name, *version)) {
                return Some(TwoMeanings::Twice {
                    name,
                    version: *version,
                });
            }

            let has_it = |(_, names): &&(_, Names)| is_among(name, names);
            let mut others = kinds.iter().take(place).filter(|(other, _)| other != kind);
            if let Some((one, _)) = others.find(has_it) {
                return Some(TwoMeanings::Kinds {
                    name,
                    one,
                    other: kind,
                });
            }
        }
    }

    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKE: Names = &[("seat.take", 1), ("seat.take", 2), ("seat.give-back", 1)];
    const TAKEN: Names = &[("seat.taken", 1)];

    #[test]
    fn a_name_means_the_same_wherever_it_stands() {
        let both = [("a command", TAKE), ("an event", TAKEN)];
        assert_eq!(two_meanings(&both), None);
        // Whoever asks has the same commands as the one who is asked.
        assert_eq!(two_meanings(&[("a command", TAKE); 2]), None);
        assert_eq!(two_meanings(&[]), None);
    }

    #[test]
    fn a_name_of_two_kinds_and_a_version_declared_twice_are_found() {
        let two = two_meanings(&[("a command", TAKE), ("a reply", &[("seat.take", 7)])]);
        assert_eq!(
            two.unwrap().to_string(),
            "message seat.take has two meanings, a command and a reply"
        );

        let twice = two_meanings(&[("a command", &[("seat.take", 2), ("seat.take", 2)])]);
        assert_eq!(
            twice.unwrap().to_string(),
            "version 2 of message seat.take is declared twice"
        );
    }
}
