//! In which order hits come, and how pages follow each other.

use super::{Sample, Shop};
use crate::search::{SearchQuery, Sort, points};

/// Walks all pages; `between` runs after each. The ids in the order shown.
fn walk(shop: &mut Shop, query: SearchQuery, mut between: impl FnMut(&mut Shop)) -> Vec<u128> {
    let mut ids = Vec::new();
    let mut query = query;

    loop {
        let page = shop.search(query.clone());
        assert!(page.hits.len() <= query.limit);
        assert!(page.next.is_none() || page.hits.len() == query.limit);
        ids.extend(
            page.hits
                .iter()
                .map(|hit| hit.document.order_id.0.as_u128()),
        );
        between(shop);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return ids;
        }
    }
}

/// Forty orders in two commits, with many equal totals, times and texts.
fn forty(shop: &mut Shop) -> Vec<Sample> {
    let samples: Vec<Sample> = (1..=40)
        .map(|id: u128| {
            let number = i64::try_from(id).unwrap();
            let sample = Sample {
                total: number % 3,
                time: 5_000 + number % 4,
                ..Sample::new(id << 60)
            };
            sample.line(
                "1",
                if id.is_multiple_of(5) {
                    "tea tea"
                } else {
                    "tea"
                },
            )
        })
        .collect();

    for (number, sample) in samples.iter().enumerate() {
        shop.create(sample);
        if number == 17 {
            shop.commit();
        }
    }

    shop.commit();

    samples
}

pub(crate) fn pages_of_every_sort_show_each_order_once_in_order(shop: &mut Shop) {
    let mut samples = forty(shop);
    samples.sort_by_key(|sample| (sample.time, sample.id));
    samples.reverse();
    let newest: Vec<u128> = samples.iter().map(|sample| sample.id).collect();
    samples.sort_by_key(|sample| -sample.total);
    let total: Vec<u128> = samples.iter().map(|sample| sample.id).collect();

    for limit in [1, 3, 7, 39, 40, 41] {
        for text in [None, Some("tea".to_owned())] {
            let query = |sort| SearchQuery {
                text: text.clone(),
                sort: Some(sort),
                limit,
                ..SearchQuery::default()
            };
            assert_eq!(
                walk(shop, query(Sort::Newest), |_| {}),
                newest,
                "newest, {limit}"
            );
            assert_eq!(
                walk(shop, query(Sort::Total), |_| {}),
                total,
                "total, {limit}"
            );
            let relevance = walk(shop, query(Sort::Relevance), |_| {});
            let mut ids = relevance.clone();
            ids.sort_unstable();
            assert_eq!(ids, (1..=40).map(|id| id << 60).collect::<Vec<u128>>());
            if text.is_none() {
                assert_eq!(relevance, newest, "without a text all match alike");
            }
        }
    }
}

pub(crate) fn a_cursor_holds_while_orders_come_in(shop: &mut Shop) {
    let samples = forty(shop);
    for sort in Sort::ALL {
        let mut next_id: u128 = 1_000 * (sort.name().len() as u128);

        let query = SearchQuery {
            text: Some("tea".to_owned()),
            sort: Some(sort),
            limit: 6,
            ..SearchQuery::default()
        };

        let ids = walk(shop, query, |shop| {
            for _ in 0..3 {
                next_id += 1;
                let sample = Sample {
                    time: 5_002,
                    total: 1,
                    ..Sample::new(next_id)
                };
                shop.create(&sample.line("7", "tea or coffee, and a word more"));
            }
            shop.commit();
        });

        for sample in &samples {
            let times = ids.iter().filter(|id| **id == sample.id).count();
            assert_eq!(times, 1, "{} by {}", sample.id, sort.name());
        }

        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), ids.len(), "each order once by {}", sort.name());
    }
}

pub(crate) fn the_best_match_comes_first_and_its_score_is_its_own(shop: &mut Shop) {
    shop.create(&Sample::new(1).line("1", "tea and a lot of other things that nobody needs"));
    shop.create(&Sample::new(2).line("2", "tea"));
    shop.commit();

    let search = |shop: &Shop| {
        let page = shop.search(SearchQuery {
            text: Some("teas".to_owned()),
            ..SearchQuery::default()
        });
        let hit = page
            .hits
            .into_iter()
            .find(|hit| hit.document.order_id.0.as_u128() == 2);
        (page.total, hit.unwrap().score)
    };

    let page = shop.search(SearchQuery {
        text: Some("tea".to_owned()),
        ..SearchQuery::default()
    });
    assert_eq!(page.hits[0].document.order_id.0.as_u128(), 2);
    assert!(page.hits[0].score > page.hits[1].score);
    let (_, score) = search(shop);

    for id in 3..30 {
        shop.create(&Sample::new(id).line("3", "tea, longer than the others"));
    }

    shop.commit();
    assert_eq!(search(shop), (29, score));
}

/// The points are those of [`points`](crate::search::points), and so are the scores of every
/// backend.
pub(crate) fn scores_are_the_same_everywhere(shop: &mut Shop) {
    let sample = Sample::new(1)
        .line("ab-12", "Fresh bagels")
        .line("ab-1299", "bagel bags")
        .note("tea, tea");
    shop.sell(&sample, "Ada Park");

    shop.commit();
    // As many words, and singulars of those that are none: ab 12 fresh bagels ab 1299 bagel bags
    // tea tea ada park.
    let length = points::length(12 + 2);

    let word = |times| i64::from(points::of_word(times, length));
    let prefix = i64::from(points::PREFIX_POINTS);

    for (text, expected) in [
        ("fresh", word(1)),
        ("bagel", word(2)),
        ("bags fresh", word(1) + word(1)),
        ("ab-12", word(2) + word(1)),
        ("\"tea tea\"", word(2) + word(2)),
        ("fre*", prefix),
        ("fresh*", prefix + word(1)),
        ("bags*", prefix + word(1)),
        ("bagelsx* bagel", 0),
        ("ab-12*", prefix + word(2) + word(1)),
        ("ab-129*", prefix),
        ("bagel-12*", 0),
    ] {
        let page = shop.search(SearchQuery {
            text: Some(text.to_owned()),
            ..SearchQuery::default()
        });
        let scores: Vec<_> = page
            .hits
            .iter()
            .map(|hit| hit.score.unwrap() as i64)
            .collect();
        let expected: Vec<_> = [expected]
            .into_iter()
            .filter(|points| *points > 0)
            .collect();
        assert_eq!(scores, expected, "{text}");
        let by_time = SearchQuery {
            text: Some(text.to_owned()),
            sort: Some(Sort::Newest),
            ..SearchQuery::default()
        };
        assert!(
            shop.search(by_time)
                .hits
                .iter()
                .all(|hit| hit.score.is_none())
        );
    }
}
