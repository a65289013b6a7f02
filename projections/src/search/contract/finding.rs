//! What a query finds by filters and by unusual texts, what it shows of them, and what is refused.

use domain::{CustomerId, Money, OrderState, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use uuid::Uuid;

use super::{Sample, Shop, rejected};
use crate::ViewError;
use crate::search::SearchQuery;
use crate::search::text::MAX_PREFIXES;

pub(crate) fn filters_are_inclusive_and_all_must_hold(shop: &mut Shop) {
    for id in 1..=6 {
        let total = 100 * i64::try_from(id).unwrap();
        let sample = Sample {
            customer: id % 2,
            total,
            time: 1_000 * total,
            ..Sample::new(id)
        };
        shop.create(&sample.line("1", "tea"));
    }

    shop.approve(5, "Ada Park");
    shop.change(6, 2, rejected());
    shop.commit();
    let money = |cents| Some(Money::from_cents(cents));
    let time = |micros| Some(Timestamp::from_micros(micros));

    let none = SearchQuery::default;
    for (query, expected) in [
        (none(), vec![1, 2, 3, 4, 5, 6]),
        (
            SearchQuery {
                state: Some(OrderState::Approved),
                ..none()
            },
            vec![5],
        ),
        (
            SearchQuery {
                state: Some(OrderState::Shipped),
                ..none()
            },
            vec![],
        ),
        (
            SearchQuery {
                customer_id: Some(CustomerId(Uuid::from_u128(1))),
                ..none()
            },
            vec![1, 3, 5],
        ),
        (
            SearchQuery {
                customer_id: Some(CustomerId(Uuid::from_u128(9))),
                ..none()
            },
            vec![],
        ),
        (
            SearchQuery {
                min_total: money(500),
                ..none()
            },
            vec![5, 6],
        ),
        (
            SearchQuery {
                max_total: money(200),
                ..none()
            },
            vec![1, 2],
        ),
        (
            SearchQuery {
                min_total: money(200),
                max_total: money(400),
                ..none()
            },
            vec![2, 3, 4],
        ),
        (
            SearchQuery {
                min_total: money(201),
                max_total: money(200),
                ..none()
            },
            vec![],
        ),
        (
            SearchQuery {
                since: time(200_000),
                until: time(300_000),
                ..none()
            },
            vec![2, 3],
        ),
        (
            SearchQuery {
                since: time(200_001),
                until: time(299_999),
                ..none()
            },
            vec![],
        ),
        (
            SearchQuery {
                text: Some("teas".to_owned()),
                state: Some(OrderState::Pending),
                customer_id: Some(CustomerId(Uuid::from_u128(0))),
                min_total: money(300),
                ..none()
            },
            vec![4],
        ),
    ] {
        assert_eq!(shop.ids(query.clone()), expected, "{query:?}");
    }
}

pub(crate) fn highlights_show_what_matched(shop: &mut Shop) {
    let sample = Sample::new(1)
        .line("ab-12", "Fresh <BAGELS> & tea")
        .line("7", "milk")
        .note("no bagel");
    shop.sell(&sample, "Ada Bagel");
    shop.commit();

    let search = |text: Option<&str>| {
        shop.search(SearchQuery {
            text: text.map(str::to_owned),
            ..Default::default()
        })
    };
    let hit = search(Some("bagels ab-1*")).hits.remove(0);

    let highlights = hit.highlights.unwrap();
    assert_eq!(
        highlights.lines,
        ["Fresh &lt;<em>BAGELS</em>&gt; &amp; tea", "<em>ab-12</em>"]
    );

    assert_eq!(highlights.note, ["no <em>bagel</em>"]);
    assert_eq!(highlights.customer_name, ["Ada <em>Bagel</em>"]);
    assert!(hit.score.unwrap() > 0.0);
    let hit = search(None).hits.remove(0);
    assert_eq!((hit.score, hit.highlights), (None, None));
}

pub(crate) fn any_text_is_answered(shop: &mut Shop) {
    shop.create(&Sample::new(1).line("1", "a b \" \\ * é 日本 tea"));
    shop.commit();

    let texts = prop_oneof![
        "\\PC{0,40}",
        "[ab\"*\\\\ ~^:()+-]{0,30}",
        "[\\x00-\\x20a*\"é日]{0,20}"
    ];

    let mut runner = TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..Default::default()
    });

    runner
        .run(&texts, |text| {
            let has_many_prefixes = text.matches('*').count() > MAX_PREFIXES;
            let query = SearchQuery {
                text: Some(text),
                ..SearchQuery::default()
            };
            prop_assert!(has_many_prefixes || shop.try_search(query).is_ok());
            Ok(())
        })
        .unwrap();

    assert_eq!(shop.find(&"x".repeat(1_000)), [0; 0]);
    shop.create(&Sample::new(2).note(&"y".repeat(2_000)));
    shop.commit();
    assert_eq!(shop.find(&"y".repeat(1_000)), [2]);
    assert_eq!(shop.find("yyy*"), [2]);
}

pub(crate) fn what_cannot_be_asked_is_refused_by_name(shop: &mut Shop) {
    for (query, expected) in [
        (
            SearchQuery {
                text: Some("x".repeat(1_001)),
                ..SearchQuery::default()
            },
            "text",
        ),
        (
            SearchQuery {
                text: Some(('a'..='z').map(|letter| format!("{letter}* ")).collect()),
                ..SearchQuery::default()
            },
            "text",
        ),
        (
            SearchQuery {
                limit: 0,
                ..SearchQuery::default()
            },
            "limit",
        ),
        (
            SearchQuery {
                limit: 201,
                ..SearchQuery::default()
            },
            "limit",
        ),
        (
            SearchQuery {
                cursor: Some("?".to_owned()),
                ..SearchQuery::default()
            },
            "cursor",
        ),
    ] {
        let Err(ViewError::InvalidQuery { field, .. }) = shop.try_search(query) else {
            panic!("{expected}")
        };
        assert_eq!(field, expected);
    }
}

pub(crate) fn a_prefix_of_thousands_of_words_finds_them_all(shop: &mut Shop) {
    let many: u128 = 2_500;
    for id in 1..=many {
        let sample = Sample::new(id)
            .line(&format!("AB-7{id:05}"), "tea")
            .note(&format!("thelongestprefixofall{id:05}"));
        shop.create(&sample);
    }

    shop.create(&Sample::new(many + 1).line("AC-700001", "AB tea"));
    shop.commit();

    let total = |text: &str| {
        let query = SearchQuery {
            text: Some(text.to_owned()),
            limit: 1,
            ..SearchQuery::default()
        };
        u128::from(shop.search(query).total)
    };

    for (text, expected) in [
        ("7*", many + 1),
        ("ab-7*", many),
        ("ab-70*", many),
        ("ab-700001*", 1),
        ("ac-7*", 1),
        ("thelongestprefix*", many),
        ("thelongestprefixofall*", many),
        ("thelongestprefixofall00*", 999),
        ("thelongestprefixofall00001*", 1),
    ] {
        assert_eq!(total(text), expected, "{text}");
    }
}

pub(crate) fn an_order_of_500_lines_is_found_by_each_and_by_no_phrase_across_them(shop: &mut Shop) {
    let mut sample = Sample::new(1).note(&"word ".repeat(400));
    for line in 0..500 {
        sample = sample.line(&format!("sku{line}"), &format!("first{line} last{line}"));
    }

    shop.sell(&sample, "Ada Park");
    shop.create(&Sample::new(2).line("1", "tea"));
    shop.commit();
    let all: Vec<String> = (0..90).map(|line| format!("first{line}")).collect();

    for (text, expected) in [
        ("sku0", vec![1]),
        ("sku499 first499", vec![1]),
        ("\"first499 last499\"", vec![1]),
        ("\"last0 sku0\"", vec![]),
        ("\"sku0 first1\"", vec![]),
        ("\"last499 sku499\"", vec![]),
        ("\"word word\" \"ada park\"", vec![1]),
        ("\"word ada\"", vec![]),
        ("sku499-word*", vec![]),
        ("first7-last*", vec![1]),
        ("first7-last8*", vec![]),
        (&all.join(" "), vec![1]),
    ] {
        assert_eq!(shop.find(text), expected, "{text}");
    }

    let letters: String = ('a'..='z')
        .flat_map(|one| ('a'..='z').map(move |two| format!("{one}{two} ")))
        .collect();
    shop.create(&Sample::new(3).note(&letters));
    shop.commit();

    assert_eq!(
        shop.find(letters.get(..999).unwrap()),
        [3],
        "as many words as a text can have"
    );

    assert_eq!(
        shop.find(&letters.get(..999).unwrap().replace(' ', "*")),
        [3],
        "a long phrase"
    );

    assert_eq!(
        shop.find(&letters.get(..30).unwrap().replace(' ', "* ")),
        [3],
        "many prefixes"
    );
}
