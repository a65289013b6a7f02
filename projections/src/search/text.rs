//! What a search text asks for.
//!
//! Words are separated by white space; all of them must match, anywhere in the order's line names,
//! skus, note and customer's name. A word that ends in `*` right after a letter or digit is a
//! prefix. Double quotes around words make a phrase: its words must stand one after the other in
//! one value (one line's name, one sku, the note, the customer's name). A word that the analysis
//! splits, like the sku `ab-12`, is a phrase too.
//!
//! Everything else is plain text, never syntax and never an error: `AND`, `-`, `+`, `:`, `~`, `^`,
//! `(`, `\`, a quote without its partner or inside a word. What holds no letter or digit asks for
//! nothing and is left out; a text that asks for nothing at all finds nothing.

use crate::ViewError;
use crate::search::analysis::{ends_a_word, words};
use crate::search::singular::singular;

/// A search text has at most this many characters.
pub const MAX_TEXT_CHARS: usize = 1_000;

/// A search text has at most this many prefixes: each has as many words as begin like it.
pub const MAX_PREFIXES: usize = 10;

/// Words that must stand one after the other; mostly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The words' singulars, at least one.
    pub singulars: Vec<String>,
    /// The last word may also be any that begins like this, or whose singular does.
    pub prefix: Option<String>,
}

/// Reads a search text. The terms are in the order in which they are written, each once.
///
/// # Errors
/// [`ViewError::InvalidQuery`] when the text is longer than [`MAX_TEXT_CHARS`], or has more than
/// [`MAX_PREFIXES`].
pub fn parse(text: &str) -> Result<Vec<Term>, ViewError> {
    let invalid = |message| {
        Err(ViewError::InvalidQuery {
            field: "text",
            message,
        })
    };
    if text.chars().nth(MAX_TEXT_CHARS).is_some() {
        return invalid(format!("must have at most {MAX_TEXT_CHARS} characters"));
    }

    let mut parser = Parser::default();

    let mut rest = text;
    while let Some((before, phrase, after)) = next_phrase(rest) {
        parser.plain(before);
        parser.add(phrase, false);
        rest = after;
    }

    parser.plain(rest);

    let prefixes = parser.terms.iter().filter(|term| term.prefix.is_some());
    if prefixes.count() > MAX_PREFIXES {
        return invalid(format!("must have at most {MAX_PREFIXES} words with a *"));
    }

    Ok(parser.terms)
}

/// The first quoted part of `text`, with what is before and after it. A quote opens where no letter
/// or digit stands before it (so that the inches of `5" nails` are none), and closes at the next
/// one.
fn next_phrase(text: &str) -> Option<(&str, &str, &str)> {
    for (open, _) in text.match_indices('"') {
        let (before, quoted) = text.split_at_checked(open)?;
        if before.chars().next_back().is_some_and(ends_a_word) {
            continue;
        }

        let (phrase, after) = quoted.strip_prefix('"')?.split_once('"')?;

        return Some((before, phrase, after));
    }
    None
}

#[derive(Default)]
struct Parser {
    terms: Vec<Term>,
}

impl Parser {
    fn plain(&mut self, text: &str) {
        for word in text.split_whitespace() {
            match word.strip_suffix('*') {
                Some(prefix) if prefix.chars().next_back().is_some_and(ends_a_word) => {
                    self.add(prefix, true)
                }
                _ => self.add(word, false),
            }
        }
    }

    fn add(&mut self, text: &str, is_prefix: bool) {
        let words = words(text);
        let Some(last) = words.last() else { return };
        let prefix = is_prefix.then(|| last.text.clone());
        let singulars = words
            .iter()
            .map(|word| singular(&word.text).into_owned())
            .collect();
        let term = Term { singulars, prefix };
        if !self.terms.contains(&term) {
            self.terms.push(term);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `a b` for a phrase, `a*` for a prefix.
    fn parsed(text: &str) -> Vec<String> {
        let shown = |term: Term| match term.prefix {
            Some(prefix) => {
                let head = &term.singulars[..term.singulars.len() - 1];
                head.iter()
                    .cloned()
                    .chain([format!("{prefix}*")])
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            None => term.singulars.join(" "),
        };
        parse(text).unwrap().into_iter().map(shown).collect()
    }

    #[test]
    fn words_prefixes_and_phrases_are_told_apart() {
        for (text, expected) in [
            ("Fresh BAGELS", vec!["fresh", "bagel"]),
            ("bagels*", vec!["bagels*"]),
            ("ab-12", vec!["ab 12"]),
            ("ab-12*", vec!["ab 12*"]),
            ("\"fresh bagels\" milk", vec!["fresh bagel", "milk"]),
            ("\"fresh bag*\"", vec!["fresh bag"]),
            ("milk milk Milk", vec!["milk"]),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn everything_else_is_plain_text() {
        for (text, expected) in [
            (
                "milk AND -bagel OR +(tea:x)",
                vec!["milk", "and", "bagel", "or", "tea x"],
            ),
            ("bage*l", vec!["bage l"]),
            ("bagel~2 tea^3 \\", vec!["bagel 2", "tea 3"]),
            ("\"fresh bagel", vec!["fresh", "bagel"]),
            ("5\" nails 3\" nails", vec!["5", "nail", "3"]),
            ("- * \"\" \"*\" -*", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn a_text_may_have_1000_characters_and_no_more() {
        assert!(parse(&"é".repeat(1_000)).is_ok());
        let error = parse(&"é".repeat(1_001)).unwrap_err();
        assert_eq!(error.to_string(), "text: must have at most 1000 characters");
    }

    #[test]
    fn a_text_may_have_10_prefixes_and_no_more() {
        let letters = |last: char| ('a'..=last).map(|letter| format!("{letter}* ")).collect();
        let text: String = letters('j');
        assert!(parse(&format!("{text} a* a* word")).is_ok());
        let text: String = letters('k');
        let error = parse(&text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "text: must have at most 10 words with a *"
        );
    }

    proptest! {
        #[test]
        fn no_text_but_one_of_many_prefixes_is_an_error(text in "[\\PC\\n\"* ]{0,200}") {
            match parse(&text) {
                Ok(terms) => prop_assert!(terms.iter().all(|term| !term.singulars.is_empty())),
                Err(_) => prop_assert!(text.matches('*').count() > MAX_PREFIXES),
            }
        }
    }
}
