use super::*;

#[test]
fn a_cursor_reads_back_and_belongs_to_its_sort() {
    let key = SortKey {
        rank: -5,
        created: i64::MAX,
        id: u128::MAX - 7,
    };
    let cursor = write_cursor(Sort::Total, key);

    let query = |sort| SearchQuery {
        sort: Some(sort),
        cursor: Some(cursor.clone()),
        ..SearchQuery::default()
    };
    assert_eq!(query(Sort::Total).prepare().unwrap().after, Some(key));

    let error = query(Sort::Newest).prepare().unwrap_err().to_string();
    assert_eq!(
        error,
        "cursor: must be the next of an earlier answer to the same query"
    );
}

#[test]
fn a_cursor_of_anything_else_is_refused() {
    for cursor in ["", "x", "é", "cg", &URL_SAFE_NO_PAD.encode([b'n'; 34])] {
        let query = SearchQuery {
            cursor: Some(cursor.into()),
            ..SearchQuery::default()
        };
        assert!(
            matches!(
                query.prepare(),
                Err(ViewError::InvalidQuery {
                    field: "cursor",
                    ..
                })
            ),
            "{cursor}"
        );
    }
}

#[test]
fn a_page_has_1_to_200_hits() {
    for (limit, valid) in [(0, false), (1, true), (200, true), (201, false)] {
        assert_eq!(
            SearchQuery {
                limit,
                ..SearchQuery::default()
            }
            .prepare()
            .is_ok(),
            valid,
            "{limit}"
        );
    }
}

#[test]
fn relevance_is_the_default_with_a_text_and_newest_without() {
    let sort = |text: Option<&str>| {
        SearchQuery {
            text: text.map(str::to_owned),
            ..SearchQuery::default()
        }
        .prepare()
        .unwrap()
        .sort
    };
    assert_eq!(
        (sort(Some("tea")), sort(None)),
        (Sort::Relevance, Sort::Newest)
    );
}
