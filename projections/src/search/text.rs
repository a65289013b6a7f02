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
mod tests;
