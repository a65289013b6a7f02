//! Which writings of a text are the same to somebody who looks for it.
//!
//! A text is *folded*: it loses its case, in every script, its accents, and the form in which
//! Unicode happens to write it. What is looked for is folded as well, and so `CAFÉ`, `cafe` and an
//! `é` of two characters meet, `ΟΔΟΣ` and `οδός`, `İstanbul`, `ISTANBUL` and `ıstanbul`.
//!
//! Only what is an accent goes: the vowel signs of India and Thailand, and the marks by which `が`
//! differs from `か`, make another word and stay.
//!
//! The views store folded text. Whoever changes what it is raises the numbers of their definitions.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{
    canonical_combining_class, decompose_canonical, decompose_compatible, is_combining_mark,
};

/// The folded text. Part by part it is that of the text's parts.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }

    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        fold_character(character, &mut |part| folded.push(part));
    }
    compose(&folded)
}

/// What a character counts as: nothing if it is an accent, one or more characters otherwise, which
/// are to be [composed](compose) with their neighbours.
pub(crate) fn fold_character(character: char, emit: &mut impl FnMut(char)) {
    if character.is_ascii() {
        return emit(character.to_ascii_lowercase());
    }

    let mut fold_part = |part: char| {
        if !is_unseen(part) && !is_accent(part) {
            lower_case(part, emit);
        }
    };

    // Wide and narrow forms, ligatures and the like are their letters; `½` and `㏕` are not `12`
    // and `mil`, since there is more in them.
    let mut is_of_letters = true;
    decompose_compatible(character, |part| {
        is_of_letters &= part.is_alphanumeric() || is_combining_mark(part);
    });
    if is_of_letters {
        decompose_compatible(character, &mut fold_part);
    } else {
        decompose_canonical(character, &mut fold_part);
    }
}

/// Puts marks and the parts of Korean syllables together again.
pub(crate) fn compose(text: &str) -> String {
    text.nfc().collect()
}

/// By way of upper case, which is one for `σ` and `ς`, and two letters for `ß`.
fn lower_case(character: char, emit: &mut impl FnMut(char)) {
    let capitals = character.to_lowercase().flat_map(char::to_uppercase);
    for letter in capitals.flat_map(char::to_lowercase) {
        // `İ` has a dot of its own.
        if is_accent(letter) {
            continue;
        }
        match latin_letters(letter) {
            Some(letters) => letters.chars().for_each(&mut *emit),
            None => emit(letter),
        }
    }
}

/// The letters of Latin scripts that Unicode does not decompose, as CLDR's transform Latin-ASCII
/// writes them.
fn latin_letters(letter: char) -> Option<&'static str> {
    Some(match letter {
        'æ' => "ae",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ĸ' => "q",
        'ł' => "l",
        'ŋ' => "ng",
        'ø' => "o",
        'œ' => "oe",
        'þ' => "th",
        'ŧ' => "t",
        _ => return None,
    })
}

/// By the classes of Unicode (`Canonical_Combining_Class`): marks over, under and through letters
/// of any script, the points of Hebrew, Arabic and Syriac; not the signs of one script alone, nor
/// the iota under Greek letters (240), which is a letter in upper case.
fn is_accent(character: char) -> bool {
    matches!(canonical_combining_class(character), 1 | 10..=36 | 200..=239)
}

/// Shows nothing, or no more than how its neighbours are drawn: soft hyphens, joiners, variation
/// selectors, the long stroke of Arabic.
fn is_unseen(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{640}' | '\u{180b}'..='\u{180f}'
        | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_the_same_is_folded_to_the_same() {
        for (one, other) in [
            ("CAFÉ", "cafe\u{301}"),
            ("ΟΔΟΣ", "οδός"),
            ("İSTANBUL", "ıstanbul"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("Łódź Øre Æther", "lodz ore aether"),
            ("ＡＢＣ ﬁne", "abc fine"),
            ("ｶﾞｽ", "ガス"),
            ("한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"),
            ("Йод ЁЛКА", "йод елка"),
            ("Ꭰ", "ꭰ"),
            ("ᾳ ᾼ", "ΑΙ αι"),
            ("שָׁלוֹם", "שלום"),
            ("مُحَمَّد", "محمد"),
            ("Việt", "viet"),
            ("co\u{ad}operate", "cooperate"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
    }

    #[test]
    fn what_makes_another_word_stays() {
        for (one, other) in [
            ("か", "が"),
            ("कि", "कु"),
            ("มา", "ม้า"),
            ("½", "12"),
            ("O'Neil 100%", "oneil 100"),
        ] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
    }

    #[test]
    fn no_character_differs_in_another_case_or_form() {
        for character in char::MIN..=char::MAX {
            let text = character.to_string();
            let folded = fold(&text);
            assert_eq!(fold(&text.nfd().collect::<String>()), folded, "{text:?}");
            assert_eq!(fold(&text.nfc().collect::<String>()), folded, "{text:?}");
            assert_eq!(fold(&text.to_uppercase()), folded, "{text:?}");
            assert_eq!(fold(&text.to_lowercase()), folded, "{text:?}");
            assert_eq!(fold(&folded), folded, "{text:?}");
        }
    }
}
