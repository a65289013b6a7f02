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
