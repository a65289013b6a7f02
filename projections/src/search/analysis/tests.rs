use super::*;

fn indexed(text: &str) -> Vec<(String, usize)> {
    let mut tokens = Vec::new();
    IndexAnalyzer
        .token_stream(text)
        .process(&mut |token| tokens.push((token.text.clone(), token.position)));
    tokens
}

/// The words, and what each is made of.
fn split(text: &str) -> Vec<(String, &str)> {
    words(text)
        .into_iter()
        .map(|word| (word.text, &text[word.range]))
        .collect()
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
fn a_word_keeps_its_place_in_the_text_as_it_is_written() {
    for (text, expected) in [
        ("e\u{301}clair!", vec![("eclair", "e\u{301}clair")]),
        ("cafe\u{301}, x", vec![("cafe", "cafe\u{301}"), ("x", "x")]),
        ("co\u{ad}op", vec![("coop", "co\u{ad}op")]),
        ("İΣ", vec![("iσ", "İΣ")]),
        ("\u{301}a", vec![("a", "a")]),
        ("한국어", vec![("한국어", "한국어")]),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(word, written)| (word.to_owned(), written))
            .collect();
        assert_eq!(split(text), expected, "{text}");
    }
}

#[test]
fn a_character_is_a_word_where_there_are_no_blanks() {
    for (text, expected) in [
        ("日本茶", "日 本 茶"),
        ("iPhoneケース12", "iphone ケ ー ス 12"),
        ("ｶﾞｽか\u{3099}", "ガ ス が"),
        ("น้ำชา", "น้ํ า ช า"),
        ("㍿", "株 式 会 社"),
    ] {
        let words: Vec<_> = words(text).into_iter().map(|word| word.text).collect();
        assert_eq!(words.join(" "), expected, "{text}");
    }
}

#[test]
fn a_word_of_any_length_is_cut_and_kept() {
    let found = words(&"ñ".repeat(2_000));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].text.chars().count(), MAX_WORD_CHARS);
    let found = words(&"𐐨".repeat(2_000));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].text.chars().count(), MAX_WORD_CHARS / 2);
}

/// Words are told apart by white space on their way to Elasticsearch.
#[test]
fn no_word_holds_white_space_or_nothing() {
    for character in char::MIN..=char::MAX {
        for word in words(&character.to_string()) {
            assert!(
                !word.text.contains(char::is_whitespace) && !word.text.is_empty(),
                "{character:?}"
            );
        }
    }
}
