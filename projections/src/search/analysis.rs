//! How text becomes words: the one analysis of indexing, searching and highlighting.
//!
//! Text is split at everything that is neither letter nor digit (Unicode). Case, accents and the
//! form in which Unicode writes it do not matter ([`letters`](crate::shop::letters)). A word is cut
//! after 255 characters (as UTF-16 counts them), and freed of the English plural ([`singular`]).
//!
//! Japanese, Chinese, Thai and their like are written without blanks: there, each character with
//! its marks is a word, so that any word in such a text is a phrase of it, and is found as phrases
//! are.
//!
//! An index holds a word *and* its singular, at the same position. A search for a word looks for
//! the singular; a search for a prefix looks at both, so that `bagels*` and `berry*` find what one
//! expects. No singular is ever the plural of another word (see [`singular`]), so the words kept as
//! they are written never match by accident.
//!
//! Elasticsearch is given the words analysed here: it splits them at white space, which no word
//! holds, and nothing else.

use std::borrow::Cow;
use std::ops::Range;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_normalization::char::is_combining_mark;

use crate::search::singular::singular;
use crate::shop::letters::{compose, fold_character};

/// The name of this analysis in every index made with it. Its number is raised whenever it changes
/// what is indexed, so that no index is asked for words that it does not hold.
pub const NAME: &str = "order_text_3";

/// Longer words are cut here, in the index and in queries alike. Counted in UTF-16 units, as
/// Elasticsearch does, which would make two words of a longer one.
pub const MAX_WORD_CHARS: usize = 255;

/// A word of a text, and where it stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Folded and cut; not freed of the plural.
    pub text: String,
    /// Byte range in the text as it is written.
    pub range: Range<usize>,
}

/// The words of `text`, in order.
#[must_use]
pub fn words(text: &str) -> Vec<Word> {
    let mut splitter = Splitter::default();

    for (start, character) in text.char_indices() {
        let range = start..start + character.len_utf8();
        let mut is_shown = false;
        fold_character(character, &mut |part| {
            is_shown = true;
            splitter.take(part, &range);
        });
        // An accent, or a joiner: of the word that it stands in.
        if !is_shown {
            splitter.widen(&range);
        }
    }

    splitter.close();
    splitter.words
}

/// Whether words may end in this character.
pub(crate) fn ends_a_word(character: char) -> bool {
    character.is_alphanumeric() || is_combining_mark(character)
}

#[derive(Default)]
struct Splitter {
    words: Vec<Word>,
    open: Option<Open>,
}

/// The word that is being read.
struct Open {
    word: Word,
    /// Of a script with blanks between words.
    is_spaced: bool,
}

impl Splitter {
    fn take(&mut self, part: char, range: &Range<usize>) {
        let is_mark = !part.is_ascii() && is_combining_mark(part);
        let is_of_a_word = part.is_alphanumeric() || is_mark && self.open.is_some();
        if !is_of_a_word {
            return self.close();
        }

        let is_spaced = part.is_ascii() || !is_unspaced(part);
        let goes_on = |open: &Open| is_mark || is_spaced && open.is_spaced;
        if !self.open.as_ref().is_some_and(goes_on) {
            self.close();
        }

        let open = self.open.get_or_insert_with(|| Open {
            word: Word {
                text: String::new(),
                range: range.clone(),
            },
            is_spaced,
        });
        open.word.text.push(part);
        open.word.range.end = range.end;
    }

    fn widen(&mut self, range: &Range<usize>) {
        if let Some(open) = &mut self.open {
            open.word.range.end = range.end;
        }
    }

    fn close(&mut self) {
        let Some(Open { mut word, .. }) = self.open.take() else {
            return;
        };
        if !word.text.is_ascii() {
            word.text = compose(&word.text);
        }
        cut(&mut word.text);
        self.words.push(word);
    }
}

/// Of a script that is written without blanks between words, by the blocks of Unicode: what its
/// line breaking (UAX #14) calls ideographic, or dependent on the language.
fn is_unspaced(character: char) -> bool {
    matches!(character,
        // Thai, Lao, Myanmar, Khmer, Tai Le, New Tai Lue, Tai Tham
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{1950}'..='\u{19df}' | '\u{1a20}'..='\u{1aaf}'
        | '\u{a9e0}'..='\u{a9ff}' | '\u{aa60}'..='\u{aadf}'
        // Chinese characters, the Japanese syllables, Bopomofo
        | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{312f}' | '\u{31a0}'..='\u{31bf}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{a4cf}'
        | '\u{f900}'..='\u{faff}' | '\u{16fe0}'..='\u{18d7f}' | '\u{1aff0}'..='\u{1b2ff}'
        | '\u{20000}'..='\u{3fffd}')
}

fn cut(text: &mut String) {
    if text.len() <= MAX_WORD_CHARS {
        return;
    }
    let mut units = 0;
    let beyond = text.char_indices().find(|(_, character)| {
        units += character.len_utf16();
        units > MAX_WORD_CHARS
    });
    if let Some((end, _)) = beyond {
        text.truncate(end);
    }
}

/// The analyzer for the field of an index that holds all words and their singulars.
#[derive(Clone, Debug, Default)]
pub struct IndexAnalyzer;

impl Tokenizer for IndexAnalyzer {
    type TokenStream<'a> = Tokens;

    fn token_stream(&mut self, text: &str) -> Tokens {
        Tokens {
            words: words(text).into_iter(),
            singular: None,
            token: Token::default(),
        }
    }
}

/// Each word, followed by its singular, at the same position, when that is another word.
#[derive(Debug)]
pub struct Tokens {
    words: std::vec::IntoIter<Word>,
    /// Of the word at hand, when it is to follow.
    singular: Option<String>,
    token: Token,
}

impl TokenStream for Tokens {
    fn advance(&mut self) -> bool {
        if let Some(singular) = self.singular.take() {
            self.token.text = singular;
            return true;
        }

        let Some(Word { text, range }) = self.words.next() else {
            return false;
        };
        self.singular = match singular(&text) {
            one if one == text => None,
            one => Some(Cow::into_owned(one)),
        };
        self.token = Token {
            offset_from: range.start,
            offset_to: range.end,
            // The first position is 0, behind the largest number.
            position: self.token.position.wrapping_add(1),
            text,
            position_length: 1,
        };

        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests;
