//! How text becomes words: the one analysis of indexing, searching and highlighting.
//!
//! Text is split at everything that is neither letter nor digit (Unicode), put into lower case, folded to ASCII where
//! there is an equivalent (`é` → `e`), cut after 255 characters (as UTF-16 counts them), and freed of the English plural
//! ([`singular`]).
//!
//! An index holds a word *and* its singular, at the same position. A search for a word looks for the singular; a
//! search for a prefix looks at both, so that `bagels*` and `berry*` find what one expects. No singular is ever the
//! plural of another word (see [`singular`]), so the words kept as they are written never match by accident.
//!
//! Elasticsearch is given the words analysed here: it splits them at white space, which no word holds, and nothing else.

use tantivy::tokenizer::{
    AsciiFoldingFilter, LowerCaser, SimpleTokenizer, TextAnalyzer, Token, TokenFilter, TokenStream, Tokenizer,
};

/// Longer words are cut here, in the index and in queries alike. Counted in UTF-16 units, as Elasticsearch does, which
/// would make two words of a longer one.
pub const MAX_WORD_CHARS: usize = 255;

/// A word of a text, and where it stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Lower-cased, folded, cut; not freed of the plural.
    pub text: String,
    /// Byte range in the text.
    pub start: usize,
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
            words.push(Word { text: token.text.clone(), start: token.offset_from, end: token.offset_to });
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

/// What the singular and the plural of an English word have in common: the S-stemmer (D. Harman, *How Effective Is
/// Suffixing?*, JASIS 42, 1991), made symmetric so that it also unites `box` and `boxes`, `peach` and `peaches`,
/// `tomato` and `tomatoes`, `cookie` and `cookies`, `coffee` and `coffees`. It need not be a word: `cookie` becomes
/// `cooky`. In order:
///
/// 1. a last `s` goes, unless the word has less than three letters or ends in `us` or `ss`;
/// 2. `ie` at the end becomes `y`, if a letter stands before it;
/// 3. a last `e` goes after `x`, `o`, `ch`, `sh` and `ss`, if three letters are left.
///
/// Applied to its own result it changes nothing. Irregular plurals (`loaves`, `mice`) stay other words.
#[must_use]
pub fn singular(word: &str) -> Singular<'_> {
    let base = match word.strip_suffix('s') {
        Some(base) if !base.ends_with(['u', 's']) && base.chars().nth(1).is_some() => base,
        _ => word,
    };
    if let Some(stem) = base.strip_suffix("ie")
        && !stem.is_empty()
    {
        return Singular { stem, ending: "y" };
    }
    match base.strip_suffix('e') {
        Some(stem)
            if ["x", "o", "ch", "sh", "ss"].iter().any(|sound| stem.ends_with(sound))
                && stem.chars().nth(2).is_some() =>
        {
            Singular { stem, ending: "" }
        }
        _ => Singular { stem: base, ending: "" },
    }
}

/// A singular: the part of the word that stays, and what is put behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Singular<'a> {
    stem: &'a str,
    ending: &'static str,
}

impl Singular<'_> {
    /// Whether it is another word than the one it was made of.
    fn differs_from(&self, word: &str) -> bool {
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

    #[must_use]
    pub fn into_string(self) -> String {
        format!("{}{}", self.stem, self.ending)
    }
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
        AndSingularStream { tail: self.0.token_stream(text), done: true }
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
    use proptest::prelude::*;

    fn singular_of(word: &str) -> String {
        singular(word).into_string()
    }

    fn indexed(text: &str) -> Vec<(String, usize)> {
        let mut tokens = Vec::new();
        index_analyzer().token_stream(text).process(&mut |token| tokens.push((token.text.clone(), token.position)));
        tokens
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
            ("is", "is"),
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
            ("toy", "toys"),
        ] {
            assert_eq!(singular_of(one), singular_of(many), "{one}, {many}");
        }
    }

    #[test]
    fn words_are_split_folded_and_kept_beside_their_singular() {
        assert_eq!(
            indexed("Fresh BAGELS, crème-brûlée"),
            [("fresh", 0), ("bagels", 1), ("bagel", 1), ("creme", 2), ("brulee", 3)]
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
                assert!(!word.text.contains(char::is_whitespace) && !word.text.is_empty(), "{character:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_singular_has_no_other_singular(word in "[a-z]{0,3}(ie|ches|shes|sses|oes|xe|es|ss|us)?e?s?") {
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
