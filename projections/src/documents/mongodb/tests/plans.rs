//! How the server carries out the queries.

use super::*;

async fn explain(database: &TestDatabase, command: Document) -> String {
    let explained = doc! {"explain": command, "verbosity": "executionStats"};
    let answer = database
        .connection
        .database
        .run_command(explained)
        .await
        .unwrap();
    let text = answer.to_string();
    assert!(!text.contains("COLLSCAN"), "{text}");
    text
}

fn find(collection: &str, find: Find) -> Document {
    let Find {
        filter,
        sort,
        projection,
        hint,
        limit,
    } = find;
    doc! {
        "find": collection, "filter": filter, "sort": sort, "projection": projection, "hint": hint, "limit": limit,
    }
}

/// What a stage of a plan looks like.
fn stage(name: &str) -> String {
    format!("\"stage\": \"{name}\"")
}

#[test]
#[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
fn mongodb_every_query_walks_an_index_and_sorts_nothing() {
    let runtime = runtime();
    let database = TestDatabase::new(runtime.handle());
    let names = Names::of(1);

    let mut opened = runtime
        .block_on(database.store().open(1, DEPLOYMENT))
        .unwrap();
    for document in documents() {
        opened.writer.put(&document).unwrap();
    }

    opened
        .writer
        .commit(&store::Positions::from([(
            ShardId::new(domain::ORDERS, 0),
            1,
        )]))
        .unwrap();

    runtime.block_on(async {
        let after = Some(Place {
            created_at: i64::MAX,
            id: Uuid::max(),
        });
        let plain = CustomersQuery {
            limit: 20,
            ..CustomersQuery::default()
        };
        let named = CustomersQuery {
            name: Some("ada p.".to_owned()),
            ..plain.clone()
        };
        let recent = CustomersQuery {
            since: Some(Timestamp::from_micros(5)),
            ..plain.clone()
        };
        for query in [&plain, &named, &recent] {
            for after in [None, after] {
                let text = explain(
                    &database,
                    find(&names.customers, queries::customers(query, after)),
                )
                .await;
                assert!(
                    text.contains(&stage("IXSCAN")) && !text.contains(&stage("SORT")),
                    "{text}"
                );
            }
        }
        for (state, min_order_total, candidates) in [
            (Some(OrderState::Approved), None, Some(queries::FEW)),
            (Some(OrderState::Approved), None, None),
            (None, Some(Money::from_cents(5)), None),
            (
                Some(OrderState::Approved),
                Some(Money::from_cents(5)),
                Some(queries::FEW),
            ),
            (Some(OrderState::Approved), Some(Money::from_cents(5)), None),
        ] {
            let query = CustomersQuery {
                order_state: state,
                min_order_total,
                ..recent.clone()
            };
            let command = doc! {
                "aggregate": &names.customers,
                "pipeline": queries::customers_with_order(&names, &query, after, candidates),
                "cursor": {},
                "hint": indexes::NEWEST_CUSTOMERS,
            };
            let text = explain(&database, command).await;
            assert!(
                text.contains(&stage("IXSCAN")) && !text.contains(&stage("SORT")),
                "{text}"
            );
            let by_state =
                min_order_total.is_none() && text.contains(r#""indexesUsed": ["newest"]"#);
            assert!(
                by_state || text.contains(r#""indexesUsed": ["largest"]"#),
                "{text}"
            );
            assert!(!text.contains(r#""collectionScans": 1"#), "{text}");
        }
        for min_order_total in [None, Some(Money::from_cents(100))] {
            let query = CustomersQuery {
                order_state: Some(OrderState::Rejected),
                min_order_total,
                ..recent.clone()
            };
            let command = doc! {
                "aggregate": &names.orders,
                "pipeline": queries::orders_in_state(&query).unwrap(),
                "cursor": {},
                "hint": indexes::ORDERS_IN_STATE,
            };
            let text = explain(&database, command).await;
            assert!(
                text.contains(&stage("IXSCAN")) && !text.contains(&stage("FETCH")),
                "{text}"
            );
            let command = doc! {
                "aggregate": &names.customers,
                "pipeline": queries::candidates(&query, after),
                "cursor": {},
                "hint": indexes::NEWEST_CUSTOMERS,
            };
            let text = explain(&database, command).await;
            assert!(
                text.contains(&stage("IXSCAN")) && !text.contains(&stage("FETCH")),
                "{text}"
            );
            let few = queries::customers_among(&query, after, vec!["a".to_owned(), "b".to_owned()]);
            assert!(
                explain(&database, find(&names.customers, few))
                    .await
                    .contains(&stage("IXSCAN"))
            );
        }
        for state in [None, Some(OrderState::Approved)] {
            for after in [None, after] {
                let newest = queries::orders_of(CustomerId(Uuid::from_u128(1)), state, after, 21);
                let text = explain(&database, find(&names.orders, newest)).await;
                assert!(
                    text.contains(&stage("IXSCAN")) && !text.contains(&stage("SORT")),
                    "{text}"
                );
                assert!(
                    state.is_some() || text.contains(&stage("SORT_MERGE")),
                    "{text}"
                );
            }
        }
        let mut count = queries::count(&names);
        count.remove("readConcern");
        count.remove("maxTimeMS");
        let text = explain(&database, count).await;
        assert!(text.contains(&stage("COUNT_SCAN")), "{text}");
        let by_id = doc! {"find": &names.orders, "filter": {"_id": {"$in": ["a", "b"]}}};
        assert!(explain(&database, by_id).await.contains(&stage("IXSCAN")));
        let range =
            doc! {"find": &names.orders, "filter": {"_id": {"$gt": "a"}}, "sort": {"_id": 1}};
        assert!(!explain(&database, range).await.contains(&stage("SORT")));
        explain(
            &database,
            doc! {"find": quarantine::COLLECTION, "filter": {"generation": 1}},
        )
        .await;
    });
}
