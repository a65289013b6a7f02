//! Words are found however they are written, in every script.

use super::{Sample, Shop};
use crate::search::SearchQuery;

pub(crate) fn another_case_accent_or_form_of_a_text_is_found(shop: &mut Shop) {
    let writings: [&[&str]; 9] = [
        &["Café", "CAFE\u{301}", "cafe", "cafe\u{301}*", "CAF*"],
        &["ΟΔΟΣ", "οδός", "Οδοσ", "οδος", "οδό*"],
        &["İstanbul", "ISTANBUL", "ıstanbul", "istanbul"],
        &["Straße", "STRASSE", "strasse", "STRAẞE"],
        &["한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"],
        &["ﬁlter ＡＢＣ", "filter abc", "ﬁlter*", "\"FILTER abc\""],
        &["Ёлка", "ЕЛКА", "е\u{308}лка"],
        &["Smørrebrød", "SMORREBROD", "smørre*"],
        &["مُحَمَّد", "محمد"],
    ];

    for (id, writings) in (1..).zip(writings) {
        shop.create(&Sample::new(id).line("x", writings[0]));
    }
    shop.commit();

    for (id, writings) in (1..).zip(writings) {
        for text in writings {
            assert_eq!(shop.find(text), [id], "{text}");
        }
    }
}

pub(crate) fn a_word_inside_a_text_without_blanks_is_found(shop: &mut Shop) {
    shop.create(&Sample::new(1).line("x", "日本茶をください"));
    shop.create(&Sample::new(2).line("x", "中国绿茶 礼盒"));
    shop.create(&Sample::new(3).line("x", "ชาเขียวเย็น").note("น้ำ"));
    shop.create(&Sample::new(4).line("x", "iPhoneケース ガラス"));
    shop.create(&Sample::new(5).line("x", "本日 茶"));
    shop.commit();

    for (text, expected) in [
        ("日本", vec![1]),
        ("日本茶", vec![1]),
        ("茶", vec![1, 2, 5]),
        ("ください", vec![1]),
        ("日茶", vec![5]),
        ("茶日", vec![]),
        ("绿茶", vec![2]),
        ("\"绿茶 礼盒\"", vec![2]),
        ("日 茶", vec![1, 5]),
        ("เขียว", vec![3]),
        ("ชา น้ำ", vec![3]),
        ("ชี", vec![]),
        ("iphone", vec![4]),
        ("ケース", vec![4]),
        ("ｹｰｽ", vec![4]),
        ("カラス", vec![]),
        ("日本茶を*", vec![1]),
        ("本*", vec![1, 5]),
    ] {
        assert_eq!(shop.find(text), expected, "{text}");
    }
}

pub(crate) fn plurals_are_united_and_other_words_are_not(shop: &mut Shop) {
    let names = [
        "tease",
        "nose",
        "goose",
        "knives",
        "criteria",
        "cacti",
        "wife",
        "bookshelf",
        "grandchild",
        "lenses",
        "houses",
        "shoe",
    ];
    for (id, name) in (1..).zip(names) {
        shop.create(&Sample::new(id).line("x", name));
    }
    shop.commit();

    for (text, expected) in [
        ("tea", vec![]),
        ("no", vec![]),
        ("goo", vec![]),
        ("geese", vec![3]),
        ("knife", vec![4]),
        ("criterion", vec![5]),
        ("cactus", vec![6]),
        ("cactuses", vec![6]),
        ("wives", vec![7]),
        ("bookshelves", vec![8]),
        ("grandchildren", vec![9]),
        ("lens", vec![10]),
        ("house", vec![11]),
        ("shoes", vec![12]),
    ] {
        assert_eq!(shop.find(text), expected, "{text}");
    }
}

pub(crate) fn highlights_show_a_text_as_it_is_written(shop: &mut Shop) {
    let sample = Sample::new(1)
        .line("x", "Le CAFE\u{301} noir")
        .line("y", "ΟΔΟΣ")
        .note("美味しい日本茶です");
    shop.create(&sample);
    shop.commit();

    for (text, lines, note) in [
        ("café", vec!["Le <em>CAFE\u{301}</em> noir"], vec![]),
        ("οδός", vec!["<em>ΟΔΟΣ</em>"], vec![]),
        ("日本", vec![], vec!["美味しい<em>日本</em>茶です"]),
    ] {
        let query = SearchQuery {
            text: Some(text.to_owned()),
            ..SearchQuery::default()
        };
        let highlights = shop.search(query).hits.remove(0).highlights.unwrap();
        assert_eq!(
            (highlights.lines, highlights.note),
            (
                lines.into_iter().map(str::to_owned).collect(),
                note.into_iter().map(str::to_owned).collect(),
            ),
            "{text}"
        );
    }
}
