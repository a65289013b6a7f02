//! What of the routes a node has, by its roles. All nodes have what is asked of any process, and
//! the cluster.

use actix_web::web::{self, ServiceConfig};

use super::{
    actions, bulk, customers, docs, health, index, operations, orders, problem, quarantine, sagas,
    views,
};
use crate::config::{Config, Role};

/// What a node offers.
#[derive(Clone, Copy)]
pub struct Offer {
    /// The public contract.
    requests: bool,
    /// What is done with views: whoever feeds them can be asked for it, too.
    views: bool,
}

impl Offer {
    /// By the node's roles.
    pub fn of(config: &Config) -> Self {
        Offer {
            requests: config.has(Role::Api),
            views: config.has(Role::Api) || config.has(Role::Projections),
        }
    }

    /// Puts the routes into an application that has an [`Api`](super::Api) as its data.
    pub fn routes(self, config: &mut ServiceConfig) {
        // Paths are compared one after the other, many by a regular expression: what is asked for
        // most stands first.
        if self.requests {
            orders::routes(config);
            customers::routes(config);
        }
        operations::routes(config);
        health::routes(config);
        if self.views {
            views::routes(config);
        }
        if !self.requests {
            config.default_service(web::to(problem::takes_no_requests));
            return;
        }

        bulk::routes(config);
        sagas::routes(config);
        actions::routes(config);
        quarantine::routes(config);
        index::routes(config);
        docs::routes(config);
        config.default_service(web::to(problem::unknown_path));
    }
}

#[cfg(test)]
mod tests {
    use crate::http::testing::Node;

    /// A node with these roles among others.
    fn with(roles: &str) -> Node {
        Node::with(&[
            "--roles",
            roles,
            "--log-url",
            "kafka://host:9092",
            "--customers-database-url",
            "postgres://host/customers",
            "--orders-database-url",
            "postgres://host/orders",
            "--documents-url",
            "mongodb://host",
            "--search-url",
            "http://host:9200",
        ])
    }

    #[actix_web::test]
    async fn a_node_without_api_answers_what_is_asked_of_any_process() {
        for (roles, views) in [("actors", 503), ("projections", 200), ("api", 200)] {
            let node = with(roles);
            for path in ["/health/live", "/health/ready", "/metrics", "/cluster"] {
                assert_eq!(node.get(path).await.status, 200, "{roles} {path}");
            }
            assert_eq!(node.get("/views").await.status, views, "{roles}");
        }
    }

    #[actix_web::test]
    async fn a_node_without_api_does_not_say_that_there_is_no_such_thing() {
        let node = with("actors,projections");
        for path in ["/", "/orders/1", "/openapi.json", "/nowhere"] {
            let answer = node.get(path).await;
            answer.is_problem(503);
            assert_eq!(answer.header("retry-after"), "1", "{path}");
        }
        node.post("/orders", "{}", &[]).await.is_problem(503);
        assert_eq!(node.double.asked(), 0);
        with("api").get("/nowhere").await.is_problem(404);
    }
}
