//! What the singular and the plural of a word have in common, so that one finds the other.

/// What the singular and the plural of an English word have in common: the S-stemmer (D. Harman,
/// *How Effective Is Suffixing?*, JASIS 42, 1991), made symmetric so that it also unites `box` and
/// `boxes`, `tomato` and `tomatoes`, `bus` and `buses`, `lens` and `lenses`, `cookie` and
/// `cookies`. It need not be a word: `cookie` becomes `cooky`, `lens` becomes `len`. In order:
///
/// 1. of the commonest irregular plurals it is the singular's;
/// 2. as long as there is one, a last `s` goes, unless the word has less than three letters or ends
///    in `us` or `ss`, and a last `e` after `s`, `x`, `z`, `o`, `ch` and `sh`, if three letters are
///    left;
/// 3. `ie` at the end becomes `y`, if a letter stands before it; of several `z` at the end one
///    stays.
///
/// Applied to its own result it changes nothing. A few words meet that are different ones, as `tea`
/// and `tease`: nothing in `lenses` and `houses` tells whose `e` it is.
#[must_use]
pub fn singular(word: &str) -> Singular<'_> {
    if let Some(ending) = singular_of_irregular(word) {
        return Singular { stem: "", ending };
    }

    let mut base = word;
    while let Some(shorter) = without_s(base).or_else(|| without_e(base)) {
        base = shorter;
    }

    match base.strip_suffix("ie") {
        Some(stem) if !stem.is_empty() => Singular { stem, ending: "y" },
        _ if base.ends_with("zz") => Singular {
            stem: base.trim_end_matches('z'),
            ending: "z",
        },
        _ => Singular {
            stem: base,
            ending: "",
        },
    }
}

fn without_s(word: &str) -> Option<&str> {
    word.strip_suffix('s')
        .filter(|base| !base.ends_with(['u', 's']) && base.chars().nth(1).is_some())
}

fn without_e(word: &str) -> Option<&str> {
    let is_plural = |stem: &&str| {
        ["s", "x", "z", "o", "ch", "sh"]
            .iter()
            .any(|sound| stem.ends_with(sound))
    };
    word.strip_suffix('e')
        .filter(|stem| stem.chars().nth(2).is_some())
        .filter(is_plural)
}

/// In the form that [`singular`] gives the singular.
fn singular_of_irregular(plural: &str) -> Option<&'static str> {
    Some(match plural {
        "bayous" => "bayou",
        "calves" => "calf",
        "caribous" => "caribou",
        "children" => "child",
        "emus" => "emu",
        "feet" => "foot",
        "geese" => "goo",
        "gurus" => "guru",
        "haikus" => "haiku",
        "halves" => "half",
        "knives" => "knife",
        "leaves" => "leaf",
        "loaves" => "loaf",
        "men" => "man",
        "menus" => "menu",
        "mice" => "mous",
        "scarves" => "scarf",
        "shelves" => "shelf",
        "teeth" => "tooth",
        "tofus" => "tofu",
        "tutus" => "tutu",
        "wolves" => "wolf",
        "women" => "woman",
        _ => return None,
    })
}

/// A singular: the part of the word that stays, and what is put behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Singular<'a> {
    pub(super) stem: &'a str,
    pub(super) ending: &'static str,
}

impl Singular<'_> {
    /// Whether it is another word than the one it was made of.
    pub(super) fn differs_from(&self, word: &str) -> bool {
        self.stem.len() != word.len()
    }

    /// Whether it is `word`.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        word.strip_prefix(self.stem) == Some(self.ending)
    }

    /// Whether it begins with `prefix`.
    #[must_use]
    pub fn starts_with(&self, prefix: &str) -> bool {
        match prefix.strip_prefix(self.stem) {
            Some(rest) => self.ending.starts_with(rest),
            None => self.stem.starts_with(prefix),
        }
    }

    /// The word in one piece.
    #[must_use]
    pub fn into_string(self) -> String {
        format!("{}{}", self.stem, self.ending)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn singular_of(word: &str) -> String {
        singular(word).into_string()
    }

    #[test]
    fn the_plural_goes_and_the_rest_stays() {
        for (word, expected) in [
            ("bagels", "bagel"),
            ("bagel", "bagel"),
            ("berries", "berry"),
            ("berry", "berry"),
            ("glass", "glass"),
            ("bus", "bus"),
            ("us", "us"),
            ("is", "is"),
            ("tease", "tea"),
            ("use", "use"),
            ("s", "s"),
            ("", ""),
            ("ie", "ie"),
            ("wines", "wine"),
            ("win", "win"),
            ("toes", "toe"),
            ("to", "to"),
            ("ñas", "ña"),
        ] {
            assert_eq!(singular_of(word), expected, "{word}");
        }
    }

    #[test]
    fn singular_and_plural_meet() {
        for (one, many) in [
            ("apple", "apples"),
            ("axe", "axes"),
            ("box", "boxes"),
            ("peach", "peaches"),
            ("quiche", "quiches"),
            ("radish", "radishes"),
            ("glass", "glasses"),
            ("mousse", "mousses"),
            ("tomato", "tomatoes"),
            ("shoe", "shoes"),
            ("bee", "bees"),
            ("pie", "pies"),
            ("cookie", "cookies"),
            ("bus", "buses"),
            ("lens", "lenses"),
            ("gas", "gases"),
            ("iris", "irises"),
            ("asparagus", "asparaguses"),
            ("house", "houses"),
            ("cheese", "cheeses"),
            ("virus", "viruses"),
            ("citrus", "citruses"),
            ("emu", "emus"),
            ("guru", "gurus"),
            ("haiku", "haikus"),
            ("menu", "menus"),
            ("tofu", "tofus"),
            ("tutu", "tutus"),
            ("bayou", "bayous"),
            ("caribou", "caribous"),
            ("waltz", "waltzes"),
            ("quiz", "quizzes"),
            ("fizz", "fizzes"),
            ("size", "sizes"),
            ("pizza", "pizzas"),
            ("juice", "juices"),
            ("use", "uses"),
            ("calf", "calves"),
            ("child", "children"),
            ("foot", "feet"),
            ("goose", "geese"),
            ("half", "halves"),
            ("knife", "knives"),
            ("leaf", "leaves"),
            ("loaf", "loaves"),
            ("man", "men"),
            ("mouse", "mice"),
            ("scarf", "scarves"),
            ("shelf", "shelves"),
            ("tooth", "teeth"),
            ("wolf", "wolves"),
            ("woman", "women"),
            ("toy", "toys"),
        ] {
            assert_eq!(singular_of(one), singular_of(many), "{one}, {many}");
        }
    }

    #[test]
    fn words_that_differ_by_more_stay_apart() {
        for (one, other) in [
            ("glass", "glance"),
            ("bass", "base"),
            ("axe", "ax"),
            ("toe", "to"),
        ] {
            assert_ne!(singular_of(one), singular_of(other), "{one}, {other}");
        }
    }

    proptest! {
        #[test]
        fn a_singular_has_no_other_singular(word in "[a-z]{0,3}(ie|ches|shes|sses|ses|zzes|oes|xe|es|ss|us)?e?s?") {
            let once = singular_of(&word);
            prop_assert_eq!(singular_of(&once), once);
        }

        #[test]
        fn a_singular_compares_like_the_text_it_is(word in "[a-z]{0,4}(ies|xes|s)?", other in "[a-zy]{0,6}") {
            let text = singular_of(&word);
            prop_assert_eq!(singular(&word).is(&other), text == other);
            prop_assert!(singular(&word).is(&text));
            prop_assert_eq!(singular(&word).starts_with(&other), text.starts_with(&other));
            for (end, _) in text.char_indices() {
                prop_assert!(singular(&word).starts_with(&text[..end]));
            }
        }
    }
}
