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
mod tests;
