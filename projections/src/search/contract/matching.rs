//! Which words of a text match which of an order.

use super::{Sample, Shop};

pub(crate) fn every_word_must_match_somewhere_in_the_order(shop: &mut Shop) {
    shop.sell(
        &Sample::new(1)
            .line("981760", "Fresh bagels")
            .note("ring twice"),
        "Ada Park",
    );

    shop.sell(&Sample::new(2).line("4711", "Stale bagels"), "Grace Hopper");
    shop.commit();

    for (text, expected) in [
        ("bagels", vec![1, 2]),
        ("fresh ring ada 981760", vec![1]),
        ("bagels grace", vec![2]),
        ("bagels nobody", vec![]),
        ("fresh grace", vec![]),
    ] {
        assert_eq!(shop.find(text), expected, "{text}");
    }
}

pub(crate) fn case_accents_and_plural_do_not_matter(shop: &mut Shop) {
    shop.create(&Sample::new(1).line("1", "BAGEL").note("Crème brûlée"));
    shop.create(&Sample::new(2).line("2", "bagels").note("mixed berries"));
    shop.create(&Sample::new(3).line("3", "glass").note("a berry"));

    shop.create(
        &Sample::new(4)
            .line("4", "Glasses, boxes and cookies")
            .note("bus"),
    );

    shop.commit();

    for (text, expected) in [
        ("bagel", vec![1, 2]),
        ("BAGELS", vec![1, 2]),
        ("creme BRULEE", vec![1]),
        ("crème brûlées", vec![1]),
        ("berries", vec![2, 3]),
        ("Berry", vec![2, 3]),
        ("glass", vec![3, 4]),
        ("glas", vec![]),
        ("box cookie", vec![4]),
        ("bus", vec![4]),
        ("bu", vec![]),
    ] {
        assert_eq!(shop.find(text), expected, "{text}");
    }
}

pub(crate) fn a_star_makes_a_prefix(shop: &mut Shop) {
    shop.create(&Sample::new(1).line("AB-1234", "bagel"));
    shop.create(&Sample::new(2).line("AB-1299", "bagels"));
    shop.create(&Sample::new(3).line("AB-2200", "baguette, berries"));
    shop.create(&Sample::new(4).line("12", "AB"));
    shop.commit();

    for (text, expected) in [
        ("bag*", vec![1, 2, 3]),
        ("BAGE*", vec![1, 2]),
        ("bagels*", vec![1, 2]),
        ("bagelsx*", vec![]),
        ("berry*", vec![3]),
        ("berri*", vec![3]),
        ("ab-12*", vec![1, 2]),
        ("ab-1234*", vec![1]),
        ("ab-*", vec![1, 2, 3, 4]),
        ("ab* bagu*", vec![3]),
        ("ba*l", vec![]),
        ("*bag", vec![]),
    ] {
        assert_eq!(shop.find(text), expected, "{text}");
    }
}

pub(crate) fn quotes_make_a_phrase_within_one_value(shop: &mut Shop) {
    shop.sell(
        &Sample::new(1)
            .line("fresh", "bagels")
            .line("fresh", "bagels"),
        "Ada Park",
    );

    shop.sell(
        &Sample::new(2).line("1", "very fresh bagels").note("Park"),
        "Bo Ada",
    );

    shop.sell(
        &Sample::new(3)
            .line("1", "bagels fresh")
            .note("fresh and bagels"),
        "Park Ada",
    );

    shop.commit();

    for (text, expected) in [
        ("fresh bagel", vec![1, 2, 3]),
        ("\"fresh bagel\"", vec![2]),
        ("\"FRESH  bagels\" ada", vec![2]),
        ("\"ada park\"", vec![1]),
        ("\"bagels\" \"bo ada\"", vec![2]),
        ("\"fresh bag*\"", vec![]),
        ("\"fresh bagel", vec![1, 2, 3]),
    ] {
        assert_eq!(shop.find(text), expected, "{text}");
    }
}

pub(crate) fn a_split_word_is_a_phrase(shop: &mut Shop) {
    shop.create(&Sample::new(1).line("ab-12", "tea"));
    shop.create(&Sample::new(2).line("12-ab", "tea"));
    shop.create(&Sample::new(3).line("ab", "12"));
    shop.commit();
    assert_eq!(shop.find("ab-12"), [1]);
    assert_eq!(shop.find("AB_12"), [1]);
    assert_eq!(shop.find("ab 12"), [1, 2, 3]);
}

pub(crate) fn operators_are_plain_text(shop: &mut Shop) {
    shop.create(&Sample::new(1).line("1", "salt and pepper"));
    shop.create(&Sample::new(2).line("2", "salt or pepper, not ground"));
    shop.create(&Sample::new(3).line("3", "salt"));
    shop.commit();

    for (text, expected) in [
        ("salt AND pepper", vec![1]),
        ("salt OR pepper", vec![2]),
        ("salt -pepper", vec![1, 2]),
        ("NOT salt", vec![2]),
        ("+salt !ground", vec![2]),
        ("text:salt", vec![]),
        ("(salt) \\pepper [TO] {", vec![]),
        ("(salt) \\pepper ^ ~ / && || ?", vec![1, 2]),
        ("sal?", vec![]),
        ("/sal./", vec![]),
        ("salt~ salt^2", vec![]),
    ] {
        assert_eq!(shop.find(text), expected, "{text}");
    }
}

pub(crate) fn a_text_without_a_word_finds_nothing(shop: &mut Shop) {
    shop.create(&Sample::new(1).line("1", "tea"));
    shop.commit();
    for text in ["", "  ", "*", "\"\"", "- + (", "\"*\""] {
        assert_eq!(shop.find(text), [0; 0], "{text:?}");
    }
    assert_eq!(shop.find("tea - \"\""), [1]);
}

pub(crate) fn odd_writing_is_found_as_it_is_written(shop: &mut Shop) {
    let texts = [
        "\u{1d51e}\u{1d51f} 🍵 fraktur",
        "日本 茶",
        "①②③ ⑴ ½",
        "ǅungla ﬁne Straße ſhip",
        "İstanbul ΣΊΣΥΦΟΣ",
        "e\u{301}clair na\u{ef}ve",
        "zero\u{200b}width no\u{a0}break thin\u{2009}space",
        "null\u{0}inside",
        "-- - --",
    ];

    let long: String = "\u{10428}".repeat(600);

    for (id, text) in (1..).zip(texts) {
        shop.create(&Sample::new(id).line("x", text));
    }

    shop.create(&Sample::new(20).note(&format!("{long} after")));
    shop.create(&Sample::new(21).note(&format!("{} after", "z".repeat(1_500))));
    shop.commit();

    for (text, expected) in [
        ("\u{1d51e}\u{1d51f}", vec![1]),
        ("\u{1d51e}\u{1d51f}*", vec![1]),
        ("AB", vec![1]),
        ("🍵", vec![]),
        ("日本", vec![2]),
        ("日*", vec![2]),
        ("(1)", vec![]),
        ("⑴ ½", vec![3]),
        ("①*", vec![3]),
        ("strasse fine", vec![4]),
        ("STRASSE ship", vec![4]),
        ("ναι", vec![]),
        ("naïve", vec![6]),
        ("\"zero width no break thin space\"", vec![7]),
        ("null-inside", vec![8]),
        (long.get(..4 * 300).unwrap(), vec![20]),
        (
            &format!("\"{} after\"", long.get(..4 * 300).unwrap()),
            vec![20],
        ),
        (&format!("\"{} after\"", "z".repeat(500)), vec![21]),
        (&format!("{}-aft*", "z".repeat(500)), vec![21]),
    ] {
        assert_eq!(shop.find(text), expected, "{text:?}");
    }
}
