//! How text becomes words: the one analysis of indexing, searching and highlighting.
//!
//! Text is split at everything that is neither letter nor digit (Unicode), put into lower case,
//! folded to ASCII where there is an equivalent (`é` → `e`), cut after 255 characters (as UTF-16
//! counts them), and freed of the English plural ([`singular`]).
//!
//! An index holds a word *and* its singular, at the same position. A search for a word looks for
//! the singular; a search for a prefix looks at both, so that `bagels*` and `berry*` find what one
//! expects. No singular is ever the plural of another word (see [`singular`]), so the words kept as
//! they are written never match by accident.
//!
//! Elasticsearch is given the words analysed here: it splits them at white space, which no word
//! holds, and nothing else.

use tantivy::tokenizer::{
    AsciiFoldingFilter, LowerCaser, SimpleTokenizer, TextAnalyzer, Token, TokenFilter, TokenStream,
    Tokenizer,
};

use crate::search::singular::{Singular, singular};

/// Longer words are cut here, in the index and in queries alike. Counted in UTF-16 units, as
/// Elasticsearch does, which would make two words of a longer one.
pub const MAX_WORD_CHARS: usize = 255;

/// A word of a text, and where it stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Lower-cased, folded, cut; not freed of the plural.
    pub text: String,
    /// Byte range in the text.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
}

/// Splits texts into [`Word`]s.
#[derive(Clone)]
pub struct Analyzer(TextAnalyzer);

impl Default for Analyzer {
    fn default() -> Self {
        Analyzer(
            TextAnalyzer::builder(SimpleTokenizer::default())
                .filter(LowerCaser)
                .filter(AsciiFoldingFilter)
                .filter(Cut)
                .build(),
        )
    }
}

impl Analyzer {
    /// The words of `text`, in order.
    pub fn words(&mut self, text: &str) -> Vec<Word> {
        let mut words = Vec::new();
        self.0.token_stream(text).process(&mut |token| {
            words.push(Word {
                text: token.text.clone(),
                start: token.offset_from,
                end: token.offset_to,
            });
        });
        words
    }
}

/// The analyzer for the field of an index that holds all words and their singulars.
#[must_use]
pub fn index_analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .filter(Cut)
        .filter(AndSingular)
        .build()
}

/// Cuts words after [`MAX_WORD_CHARS`].
#[derive(Clone)]
struct Cut;

impl TokenFilter for Cut {
    type Tokenizer<T: Tokenizer> = CutTokenizer<T>;

    fn transform<T: Tokenizer>(self, tokenizer: T) -> CutTokenizer<T> {
        CutTokenizer(tokenizer)
    }
}

#[derive(Clone)]
struct CutTokenizer<T>(T);

impl<T: Tokenizer> Tokenizer for CutTokenizer<T> {
    type TokenStream<'a> = CutStream<T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        CutStream(self.0.token_stream(text))
    }
}

struct CutStream<T>(T);

impl<T: TokenStream> TokenStream for CutStream<T> {
    fn advance(&mut self) -> bool {
        if !self.0.advance() {
            return false;
        }

        let text = &mut self.0.token_mut().text;
        if text.len() > MAX_WORD_CHARS {
            let mut units = 0;
            let beyond = text.char_indices().find(|(_, character)| {
                units += character.len_utf16();
                units > MAX_WORD_CHARS
            });
            if let Some((end, _)) = beyond {
                text.truncate(end);
            }
        }

        true
    }

    fn token(&self) -> &Token {
        self.0.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.0.token_mut()
    }
}

/// Lets each word be followed by its singular, at the same position, when that is another word.
#[derive(Clone)]
struct AndSingular;

impl TokenFilter for AndSingular {
    type Tokenizer<T: Tokenizer> = AndSingularTokenizer<T>;

    fn transform<T: Tokenizer>(self, tokenizer: T) -> AndSingularTokenizer<T> {
        AndSingularTokenizer(tokenizer)
    }
}

#[derive(Clone)]
struct AndSingularTokenizer<T>(T);

impl<T: Tokenizer> Tokenizer for AndSingularTokenizer<T> {
    type TokenStream<'a> = AndSingularStream<T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        AndSingularStream {
            tail: self.0.token_stream(text),
            done: true,
        }
    }
}

struct AndSingularStream<T> {
    tail: T,
    /// The tail's word has been followed by its singular, or needs none.
    done: bool,
}

impl<T: TokenStream> TokenStream for AndSingularStream<T> {
    fn advance(&mut self) -> bool {
        if !self.done {
            self.done = true;
            let text = &mut self.tail.token_mut().text;
            let Singular { stem, ending } = singular(text);
            let length = stem.len();
            text.truncate(length);
            text.push_str(ending);
            return true;
        }

        if !self.tail.advance() {
            return false;
        }

        let text = &self.tail.token().text;
        self.done = !singular(text).differs_from(text);

        true
    }

    fn token(&self) -> &Token {
        self.tail.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.tail.token_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexed(text: &str) -> Vec<(String, usize)> {
        let mut tokens = Vec::new();
        index_analyzer()
            .token_stream(text)
            .process(&mut |token| tokens.push((token.text.clone(), token.position)));
        tokens
    }

    #[test]
    fn words_are_split_folded_and_kept_beside_their_singular() {
        assert_eq!(
            indexed("Fresh BAGELS, crème-brûlée"),
            [
                ("fresh", 0),
                ("bagels", 1),
                ("bagel", 1),
                ("creme", 2),
                ("brulee", 3)
            ]
            .map(|(word, position)| (word.to_owned(), position))
        );
    }

    #[test]
    fn a_word_of_any_length_is_cut_and_kept() {
        let words = Analyzer::default().words(&"ß日".repeat(2_000));
        assert_eq!(words.len(), 1);
        assert_eq!(words[0].text.chars().count(), MAX_WORD_CHARS);
        let words = Analyzer::default().words(&"𐐨".repeat(2_000));
        assert_eq!(words.len(), 1);
        assert_eq!(words[0].text.chars().count(), MAX_WORD_CHARS / 2);
    }

    /// Words are told apart by white space on their way to Elasticsearch.
    #[test]
    fn no_word_holds_white_space() {
        let mut analyzer = Analyzer::default();
        for character in (char::MIN..=char::MAX).filter(|character| !character.is_ascii()) {
            for word in analyzer.words(character.encode_utf8(&mut [0; 4])) {
                assert!(
                    !word.text.contains(char::is_whitespace) && !word.text.is_empty(),
                    "{character:?}"
                );
            }
        }
    }
}
