//! What people do to a database by hand while a view is stopped or runs, and another deployment
//! that uses it by mistake.

use std::sync::Arc;

use mongodb::Database;

use super::*;
use crate::documents::mongodb::testing::TestDatabase;
use crate::documents::{self, Documents};
use crate::testing::eventually;
use crate::testing::lab::Lab;
use crate::views::AnyView as _;

/// What somebody does.
type Harm = &'static str;

async fn harm(database: &Database, what: Harm) {
    let collection = |name: &str| database.collection::<Document>(name);
    match what {
        "garbage for a catalog" => {
            let garbage = doc! {"_id": "documents", "catalog": "garbage"};
            let catalogs = collection("views");
            catalogs
                .replace_one(doc! {"_id": "documents"}, garbage)
                .await
                .unwrap();
        }
        "garbage in a catalog" => {
            let garbage = doc! {"$set": {"catalog.live": "garbage", "catalog.revision": 99_i64}};
            collection("views")
                .update_one(doc! {"_id": "documents"}, garbage)
                .await
                .unwrap();
        }
        "no catalog" => collection("views").drop().await.unwrap(),
        "no customers" => collection("customers_1").drop().await.unwrap(),
        "other orders" => {
            collection("orders_1").drop().await.unwrap();
            collection("orders_1")
                .insert_one(doc! {"_id": "mine"})
                .await
                .unwrap();
        }
        "no positions" => {
            collection("view_positions").drop().await.unwrap();
        }
        "garbage for positions" => {
            let garbage = doc! {"$set": {"positions": {"orders": {"x": "garbage"}}}};
            collection("view_positions")
                .update_one(doc! {"_id": 1_i64}, garbage)
                .await
                .unwrap();
        }
        "a view for a collection" => {
            collection("orders_1").drop().await.unwrap();
            let create = doc! {"create": "orders_1", "viewOn": "customers_1", "pipeline": []};
            database.run_command(create).await.unwrap();
        }
        "a document that is none" => {
            let garbage = doc! {"$set": {"state": 7, "orderTotal": "much"}};
            collection("orders_1")
                .update_many(doc! {}, garbage)
                .await
                .unwrap();
        }
        "another index of the name" => {
            collection("orders_1").drop_index("newest").await.unwrap();
            let other = mongodb::IndexModel::builder()
                .keys(doc! {"note": 1})
                .options(
                    mongodb::options::IndexOptions::builder()
                        .name("newest".to_owned())
                        .build(),
                );
            collection("orders_1")
                .create_index(other.build())
                .await
                .unwrap();
        }
        other => panic!("{other}"),
    }
}

fn lab(runtime: &Runtime, database: &TestDatabase) -> Lab<Documents> {
    let store = database.store();
    let _entered = runtime.enter();
    Lab::new(documents::DEFINITION, move |_| Arc::new(store.clone()))
}

#[test]
#[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
fn mongodb_what_is_damaged_while_the_view_is_stopped_is_rebuilt_by_itself() {
    let runtime = runtime();
    for what in [
        "garbage for a catalog",
        "garbage in a catalog",
        "no customers",
        "other orders",
        "no positions",
        "garbage for positions",
        "a view for a collection",
        "another index of the name",
    ] {
        let database = TestDatabase::new(runtime.handle());
        let lab = lab(&runtime, &database);
        runtime.block_on(async {
            let lab = lab.live().await;
            let healed = lab.heals_after(what, 2, harm(&database.connection.database, what));
            healed.await.view.stop().await;
        });
    }
}

#[test]
#[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
fn mongodb_what_is_damaged_while_the_view_runs_is_noticed_and_rebuilt() {
    let runtime = runtime();
    for what in [
        "no customers",
        "other orders",
        "no positions",
        "a view for a collection",
    ] {
        let database = TestDatabase::new(runtime.handle());
        let lab = lab(&runtime, &database);
        let harm = harm(&database.connection.database, what);
        runtime.block_on(lab.heals_while_it_runs(what, harm));
    }
}

#[test]
#[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
fn mongodb_a_document_that_cannot_be_read_is_told_by_a_query_and_repaired() {
    let runtime = runtime();
    let database = TestDatabase::new(runtime.handle());
    let lab = lab(&runtime, &database);
    let what = "a document that is none";
    runtime.block_on(async {
        let lab = lab.live().await;
        harm(&database.connection.database, what).await;
        let order = OrderId(Uuid::from_u128(10));
        let read = lab.view.current().unwrap();
        let read = read.read(async |reader| reader.order(order).await).await;
        assert!(matches!(read, Err(ViewError::Damaged { .. })), "{read:?}");
        lab.answers(what, 2).await;
        lab.shows_the_shop(what).await;
        lab.view.stop().await;
    });
}

#[test]
#[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
fn mongodb_a_catalog_that_is_lost_while_the_view_runs_is_saved_again_and_a_lost_index_made_again() {
    let runtime = runtime();
    let database = TestDatabase::new(runtime.handle());
    let lab = lab(&runtime, &database);
    runtime.block_on(async {
        let lab = lab.live().await;
        let server = &database.connection.database;
        for what in [
            "garbage for a catalog",
            "garbage in a catalog",
            "no catalog",
        ] {
            lab.saves_its_catalog_again(what, harm(server, what)).await;
        }

        let orders = server.collection::<Document>("orders_1");
        orders.drop_index("largest").await.unwrap();
        eventually("the index is there", || async {
            let names = orders.list_index_names().await.unwrap();
            names.contains(&"largest".to_owned())
        })
        .await;
        assert_eq!(lab.view.status().await.generation, Some(1));
        lab.view.stop().await;
    });
}

#[test]
#[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
fn mongodb_a_second_deployment_is_refused_and_takes_nothing_from_the_first() {
    let runtime = runtime();
    let database = TestDatabase::new(runtime.handle());
    let (first, second) = (lab(&runtime, &database), lab(&runtime, &database));
    let gone = async { database.connection.database.drop().await.unwrap() };
    runtime.block_on(first.keeps_out(second, gone));
}

#[test]
#[ignore = "needs MongoDB: COUNTERFOIL_TEST_MONGODB_URL"]
fn mongodb_collections_of_others_under_the_names_for_people_are_left_alone() {
    let runtime = runtime();
    let database = TestDatabase::new(runtime.handle());
    let server = database.connection.database.clone();
    let mine = server.collection::<Document>("customers");
    let mine = || mine.find_one(doc! {});
    runtime.block_on(async {
        let customers = server.collection::<Document>("customers");
        customers.insert_one(doc! {"name": "mine"}).await.unwrap();
    });
    let lab = lab(&runtime, &database);
    runtime.block_on(async {
        let lab = lab.live().await;
        lab.shows_the_shop("a collection of others").await;
        let found = mine().await.unwrap().unwrap();
        assert_eq!(found.get_str("name").unwrap(), "mine");
        lab.view.stop().await;
    });
}
