//! What the singular and the plural of a word have in common, so that one finds the other.
//!
//! Rules find the singular of most English words; those that they get wrong are in
//! `singular/irregular.txt`, which is made of WordNet's nouns and irregular plurals
//! (`singular/make_irregular.py`): `knives`, `criteria`, `houses` beside `buses`, and what only
//! looks like a plural, as `lens`. A word that has several singulars, as `axes`, has the commonest.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Changes to it, as to the rules, change what is indexed: see
/// [`analysis`](crate::search::analysis::NAME).
static IRREGULAR: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| irregular().collect());

/// The plurals that words are put together with, and their singulars; longer ones first.
const COMPOUNDS: [(&str, &str); 15] = [
    ("children", "child"),
    ("women", "woman"),
    ("shelves", "shelf"),
    ("knives", "knife"),
    ("wives", "wife"),
    ("wolves", "wolf"),
    ("thieves", "thief"),
    ("leaves", "leaf"),
    ("loaves", "loaf"),
    ("hooves", "hoof"),
    ("teeth", "tooth"),
    ("geese", "goose"),
    ("feet", "foot"),
    ("mice", "mouse"),
    ("men", "man"),
];

/// What the singular and the plural of an English word have in common: mostly the singular. It need
/// not be a word: `cookie` becomes `cooky`, which `cookies` becomes as well, and `trousers` becomes
/// `trouser`. In order:
///
/// 1. of an irregular word it is what the list says;
/// 2. of a word that is put together, as `bookshelves`, only the last part changes;
/// 3. `ie` and `ies` at the end become `y`, behind two letters or more;
/// 4. a last `s` goes, unless the word has less than three letters or ends in `ss`, `us`, `sis` or
///    `itis`; and `es` goes after `ss`, `x`, `zz`, `tz`, `ch`, `sh`, `o`, and the `us` of `buses`.
///
/// Applied to its own result it changes nothing.
#[must_use]
pub fn singular(word: &str) -> Cow<'_, str> {
    if let Some(one) = IRREGULAR.get(word) {
        return Cow::Borrowed(one);
    }

    // What is left may be irregular, as the part of a word that is put together.
    match by_rule(word) {
        same if same == word => same,
        Cow::Borrowed(shorter) => singular(shorter),
        Cow::Owned(other) => Cow::Owned(singular(&other).into_owned()),
    }
}

fn irregular() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("singular/irregular.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap_or((line, line)))
}

fn by_rule(word: &str) -> Cow<'_, str> {
    let compound = COMPOUNDS.iter().find_map(|(many, one)| {
        let head = word.strip_suffix(many)?;
        head.chars().nth(2).map(|_| [head, one].concat())
    });
    if let Some(singular) = compound {
        return Cow::Owned(singular);
    }

    let without_s = word.strip_suffix('s').unwrap_or(word);
    if let Some(stem) = without_s.strip_suffix("ie") {
        return match stem.chars().count() {
            0 => Cow::Borrowed(word),
            1 => Cow::Borrowed(without_s),
            _ => Cow::Owned(format!("{stem}y")),
        };
    }

    Cow::Borrowed(without_plural_s(word))
}

fn without_plural_s(word: &str) -> &str {
    let stays = ["ss", "us", "sis", "itis"];
    if word.chars().nth(2).is_none() || stays.iter().any(|end| word.ends_with(end)) {
        return word;
    }
    let Some(without_s) = word.strip_suffix('s') else {
        return word;
    };

    let sounds = ["ss", "x", "zz", "tz", "ch", "sh", "o"];
    let is_syllable = |stem: &&str| {
        sounds.iter().any(|sound| stem.ends_with(sound))
            || stem.ends_with("us") && !stem.ends_with("ous") && !stem.ends_with("aus")
    };

    without_s
        .strip_suffix('e')
        .filter(|stem| stem.chars().nth(2).is_some())
        .filter(is_syllable)
        .unwrap_or(without_s)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words that must find each other.
    const UNITED: &str = "apple apples, axe axes, box boxes, peach peaches, quiche quiches, \
        radish radishes, glass glasses, mousse mousses, tomato tomatoes, shoe shoes, bee bees, \
        pie pies, cookie cookies, bus buses, lens lenses, gas gases, iris irises, \
        asparagus asparaguses, house houses, cheese cheeses, virus viruses, citrus citruses, \
        emu emus, guru gurus, haiku haikus, menu menus, tofu tofus, tutu tutus, bayou bayous, \
        caribou caribous, waltz waltzes, quiz quizzes, fizz fizzes, size sizes, pizza pizzas, \
        juice juices, use uses, toy toys, selfie selfies, trouser trousers, berry berries, \
        knife knives, wife wives, elf elves, thief thieves, hoof hooves, hoof hoofs, life lives, \
        wharf wharves, wharf wharfs, calf calves, half halves, leaf leaves, loaf loaves, \
        scarf scarves, shelf shelves, wolf wolves, self selves, sheaf sheaves, dwarf dwarves, \
        midwife midwives, penknife penknives, werewolf werewolves, bookshelf bookshelves, \
        child children, grandchild grandchildren, stepchild stepchildren, foot feet, \
        forefoot forefeet, goose geese, man men, woman women, fisherman fishermen, mouse mice, \
        dormouse dormice, louse lice, tooth teeth, ox oxen, person people, penny pence, \
        criterion criteria, phenomenon phenomena, cactus cacti, cactus cactuses, fungus fungi, \
        alumnus alumni, nucleus nuclei, radius radii, octopus octopi, octopus octopuses, \
        larva larvae, formula formulae, antenna antennae, bacterium bacteria, datum data, \
        medium media, stratum strata, index indices, index indexes, matrix matrices, \
        appendix appendices, vertex vertices, analysis analyses, crisis crises, oasis oases, \
        thesis theses, bureau bureaux, plateau plateaux, glove gloves, olive olives, \
        valve valves, groove grooves, cache caches, niche niches, toe toes, nose noses, \
        hero heroes, photo photos, canvas canvases, atlas atlases, tea teas, no noes, \
        headache headaches, status statuses, piano pianos";

    /// Words that must not.
    const APART: &str = "tea tease, no nose, goo goose, glass glance, bass base, axe ax, toe to, \
        lens len, new news, gas ga, bus bu, glass glas, good goods, do does, hi his, pi pie, \
        ho hose, do dose, pro prose, ro rose, caus cause, hors horse, cur curse, plea please, \
        see seize, bra brass, pumice pumouse, specimen speciman, omen oman, olive olife, \
        valve valf, groove groof, pox pose, cash cache, man mane, leave life, hoof hoove";

    fn pairs(table: &str) -> impl Iterator<Item = (&str, &str)> {
        table
            .split(',')
            .map(|pair| pair.trim().split_once(' ').unwrap())
    }

    #[test]
    fn singular_and_plural_meet() {
        for (one, many) in pairs(UNITED) {
            assert_eq!(singular(one), singular(many), "{one}, {many}");
        }
    }

    #[test]
    fn words_that_differ_by_more_stay_apart() {
        for (one, other) in pairs(APART) {
            assert_ne!(singular(one), singular(other), "{one}, {other}");
        }
    }

    #[test]
    fn a_word_too_short_or_of_another_language_stays_or_loses_its_s() {
        for (word, expected) in [
            ("us", "us"),
            ("is", "is"),
            ("s", "s"),
            ("", ""),
            ("ie", "ie"),
            ("ies", "ies"),
            ("ñas", "ña"),
            ("οδοσ", "οδοσ"),
        ] {
            assert_eq!(singular(word), expected, "{word}");
        }
    }

    #[test]
    fn the_list_holds_what_the_rules_get_wrong_and_nothing_else() {
        for (word, one) in irregular() {
            assert_ne!(by_rule(word), one, "{word}");
            assert_eq!(singular(one), one, "{word}");
        }
        assert!(irregular().is_sorted());
    }

    proptest! {
        #[test]
        fn a_singular_has_no_other_singular(
            word in "[a-z]{0,4}(ie|ches|shes|sses|ses|zzes|oes|xe|es|ss|us|uses|men|leaves)?e?s?",
        ) {
            let once = singular(&word);
            prop_assert_eq!(singular(&once), once.as_ref());
        }
    }
}
