//! What people do to indices by hand while a view is stopped or runs, and another deployment that
//! uses the same namespace by mistake.

use elasticsearch::http::request::JsonBody;
use serde_json::json;

use super::*;
use crate::search::{self, Search};
use crate::testing::eventually;
use crate::testing::lab::Lab;
use crate::views::AnyView as _;

impl Place {
    async fn does(&self, method: Method, path: &str, body: Value) {
        let path = format!("/{}{path}", self.namespace);
        let body = (!body.is_null()).then(|| JsonBody::new(body));
        self.client
            .send::<Value>(method, &path, &[("refresh", "true")], body, WRITE_TIMEOUT)
            .await
            .unwrap_or_else(|failure| panic!("{path}: {failure}"));
    }

    async fn without(&self, what: &str) {
        let path = format!("/{}{what}", self.namespace);
        self.client.delete(&path).await.unwrap();
    }

    fn lab(&self) -> Lab<Search> {
        let store = self.store();
        let _entered = self.runtime.enter();
        Lab::new(search::DEFINITION, move |_| {
            Arc::<ElasticsearchStore>::clone(&store) as _
        })
    }
}

async fn harm(place: &Place, what: &str) {
    match what {
        "garbage for a catalog" => {
            let garbage = json!({ "catalog": { "live": "garbage" } });
            place.does(Method::Put, "-views/_doc/orders", garbage).await;
        }
        "something else for a catalog" => {
            place
                .does(Method::Put, "-views/_doc/orders", json!({ "x": 1 }))
                .await;
        }
        "garbage for positions" => {
            let garbage = json!({ "positions": "garbage" });
            place
                .does(Method::Put, "-views/_doc/orders-1", garbage)
                .await;
        }
        "no positions" => place.without("-views/_doc/orders-1?refresh=true").await,
        "no index" => place.without("-orders-1").await,
        "no views" => place.without("-views").await,
        "another index" => {
            place.without("-orders-1").await;
            place
                .does(Method::Put, "-orders-1/_doc/1", json!({ "id": "mine" }))
                .await;
        }
        "no name to write under" => {
            let name = format!("-orders-1/_alias/{}", place.names().orders_to_write(1));
            place.without(&name).await;
        }
        "an alias for an index" => {
            place.without("-orders-1").await;
            let body = json!({ "aliases": { place.names().orders(1): {} } });
            let path = format!("/{}-elsewhere", place.namespace);
            let made = place.client.send::<Value>(
                Method::Put,
                &path,
                &[],
                Some(JsonBody::new(body)),
                WRITE_TIMEOUT,
            );
            made.await.unwrap();
        }
        other => panic!("{other}"),
    }
}

#[test]
#[ignore = "needs Elasticsearch: COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
fn elasticsearch_what_is_damaged_while_the_view_is_stopped_is_rebuilt_by_itself() {
    for what in [
        "garbage for a catalog",
        "something else for a catalog",
        "garbage for positions",
        "no positions",
        "no index",
        "no views",
        "another index",
        "no name to write under",
        "an alias for an index",
    ] {
        let place = Place::new();
        let lab = place.lab();
        place.runtime.block_on(async {
            let lab = lab.live().await;
            // Without its notes an index is empty, and none of its numbers was ever given.
            let generation = if what == "no views" { 1 } else { 2 };
            let healed = lab.heals_after(what, generation, harm(&place, what)).await;
            healed.view.stop().await;
        });
    }
}

#[test]
#[ignore = "needs Elasticsearch: COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
fn elasticsearch_what_is_damaged_while_the_view_runs_is_noticed_and_rebuilt() {
    for what in [
        "no positions",
        "garbage for positions",
        "no index",
        "no name to write under",
    ] {
        let place = Place::new();
        let healing = place.lab().heals_while_it_runs(what, harm(&place, what));
        place.runtime.block_on(healing);
    }
}

#[test]
#[ignore = "needs Elasticsearch: COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
fn elasticsearch_a_catalog_that_is_lost_while_the_view_runs_is_saved_again() {
    let place = Place::new();
    let lab = place.lab();
    place.runtime.block_on(async {
        let lab = lab.live().await;
        for what in ["garbage for a catalog", "something else for a catalog"] {
            lab.saves_its_catalog_again(what, harm(&place, what)).await;
        }
        lab.view.stop().await;
    });
}

/// An index that a client has made by writing to it has whatever fields that has brought about.
#[test]
#[ignore = "needs Elasticsearch: COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
fn elasticsearch_an_index_for_views_that_our_documents_do_not_fit_gives_way() {
    let place = Place::new();
    place.runtime.block_on(async {
        let garbage = json!({ "catalog": "garbage" });
        place.does(Method::Put, "-views/_doc/orders", garbage).await;
    });
    let lab = place.lab();
    place.runtime.block_on(async {
        eventually("a generation answers", || async {
            lab.view.status().await.generation.is_some()
        })
        .await;
        lab.shows_the_shop("another index for views").await;
        lab.view.stop().await;
    });
}

#[test]
#[ignore = "needs Elasticsearch: COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
fn elasticsearch_a_second_deployment_is_refused_and_takes_nothing_from_the_first() {
    let place = Place::new();
    let gone = async {
        place.without("-orders-1").await;
        place.without("-views").await;
    };
    place
        .runtime
        .block_on(place.lab().keeps_out(place.lab(), gone));
}
