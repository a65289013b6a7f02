//! Where the views of the nodes under test lie: embedded, or on a MongoDB and an Elasticsearch.
//!
//! `COUNTERFOIL_TEST_VIEWS=remote` puts the views of every node on the servers that
//! `COUNTERFOIL_TEST_MONGODB_URL` and `COUNTERFOIL_TEST_ELASTICSEARCH_URL` name; without it they
//! are embedded. Each node has a namespace of its own there, which is removed with the node.

use std::time::Duration;

use mongodb::Client;
use mongodb::options::ClientOptions;
use serde_json::Value;
use uuid::Uuid;

/// A server that is gone must not hold up the end of a test.
const CLEANING_BOUND: Duration = Duration::from_secs(10);

/// Where a node has its views.
#[derive(Clone, Debug)]
pub enum ViewStores {
    /// In the data folder.
    Embedded,
    /// On servers, by their URLs.
    Servers {
        /// Has the documents.
        mongodb: String,
        /// Has the search index.
        elasticsearch: String,
    },
}

impl ViewStores {
    /// What this run of the tests is about.
    pub fn of_this_run() -> Self {
        match std::env::var("COUNTERFOIL_TEST_VIEWS").as_deref() {
            Err(_) | Ok("embedded") => Self::Embedded,
            Ok("remote") => Self::on_servers(),
            Ok(other) => panic!("COUNTERFOIL_TEST_VIEWS is {other:?}; allowed: embedded, remote"),
        }
    }

    /// On servers, whatever the run is about.
    pub fn on_servers() -> Self {
        Self::Servers {
            mongodb: url("COUNTERFOIL_TEST_MONGODB_URL"),
            elasticsearch: url("COUNTERFOIL_TEST_ELASTICSEARCH_URL"),
        }
    }
}

fn url(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set; see CONTRIBUTING.md"))
}

/// What one node, or a cluster of them, has of its view stores; on servers, a namespace that ends
/// with this value.
pub(crate) struct Tenancy {
    stores: ViewStores,
    namespace: String,
}

impl Tenancy {
    pub(crate) fn of(stores: ViewStores) -> Self {
        Self {
            stores,
            namespace: format!("test-{}", Uuid::now_v7().simple()),
        }
    }

    /// On the same servers.
    pub(crate) fn another(&self) -> Self {
        Self::of(self.stores.clone())
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The settings of the node. Embedded views are the default, which is left to prove itself.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match &self.stores {
            ViewStores::Embedded => Vec::new(),
            ViewStores::Servers {
                mongodb,
                elasticsearch,
            } => vec![
                setting("COUNTERFOIL_DOCUMENTS_URL", mongodb),
                setting("COUNTERFOIL_SEARCH_URL", elasticsearch),
                setting("COUNTERFOIL_NAMESPACE", &self.namespace),
            ],
        }
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        let ViewStores::Servers {
            mongodb,
            elasticsearch,
        } = &self.stores
        else {
            return;
        };

        // on a thread of its own: a runtime cannot be blocked on from within another
        let cleaned = std::thread::scope(|scope| {
            let cleaning = scope.spawn(|| clean(mongodb, elasticsearch, &self.namespace));
            cleaning
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("cleaning panicked")))
        });

        if let Err(error) = cleaned {
            eprintln!("the namespace {} stays behind: {error:#}", self.namespace);
        }
    }
}

fn clean(mongodb: &str, elasticsearch: &str, namespace: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let databases =
            tokio::time::timeout(CLEANING_BOUND, drop_databases(mongodb, namespace)).await;
        let indices =
            tokio::time::timeout(CLEANING_BOUND, delete_indices(elasticsearch, namespace)).await;
        databases??;
        indices?
    })
}

async fn drop_databases(url: &str, namespace: &str) -> anyhow::Result<()> {
    let mut options = ClientOptions::parse(url).await?;
    options.server_selection_timeout = Some(CLEANING_BOUND / 2);
    let client = Client::with_options(options)?;
    for database in client
        .list_database_names()
        .await?
        .iter()
        .filter(|name| name.starts_with(namespace))
    {
        client.database(database).drop().await?;
    }
    Ok(())
}

/// By name: servers may refuse to delete what a pattern matches.
async fn delete_indices(url: &str, namespace: &str) -> anyhow::Result<()> {
    let client = crate::http::client().build()?;
    let listed = client.get(format!(
        "{url}/_cat/indices/{namespace}*?format=json&h=index&expand_wildcards=all"
    ));

    let listed: Vec<Value> =
        serde_json::from_str(&listed.send().await?.error_for_status()?.text().await?)?;
    for index in listed.iter().filter_map(|row| row["index"].as_str()) {
        client
            .delete(format!("{url}/{index}"))
            .send()
            .await?
            .error_for_status()?;
    }

    Ok(())
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    #[tokio::test]
    #[ignore = "needs MongoDB and Elasticsearch: COUNTERFOIL_TEST_MONGODB_URL, \
                COUNTERFOIL_TEST_ELASTICSEARCH_URL"]
    async fn nothing_of_a_namespace_stays_on_the_servers() {
        let (mongodb, elasticsearch) = (
            url("COUNTERFOIL_TEST_MONGODB_URL"),
            url("COUNTERFOIL_TEST_ELASTICSEARCH_URL"),
        );
        let stores = ViewStores::Servers {
            mongodb: mongodb.clone(),
            elasticsearch: elasticsearch.clone(),
        };
        let tenancy = Tenancy::of(stores);
        let namespace = tenancy.namespace.clone();
        let client = Client::with_uri_str(&mongodb).await.expect("a client");
        let orders = client.database(&namespace).collection("orders");
        orders
            .insert_one(doc! {"_id": 1})
            .await
            .expect("a document is written");
        let index = format!("{elasticsearch}/{namespace}-orders-1");
        let http = crate::http::client().build().expect("a client");
        assert!(
            http.put(&index)
                .send()
                .await
                .expect("an answer")
                .status()
                .is_success()
        );

        drop(tenancy);

        let databases = client.list_database_names().await.expect("a list");
        assert!(!databases.contains(&namespace), "{databases:?}");
        assert_eq!(
            http.head(&index).send().await.expect("an answer").status(),
            404
        );
    }
}
