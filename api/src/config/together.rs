//! Which settings go together. Each may be allowed, and the node that has them all could not do
//! what it is for.

use std::collections::BTreeSet;

use domain::Service;
use store::relay::Relay;

use super::{
    Config, ConfigError, DatabaseBackend, DocumentsBackend, LogBackend, RelayBy, Role,
    SearchBackend,
};

const EMBEDDED: &str = "embedded";

impl Config {
    /// Whether the node does this.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// The services whose shards this node may own.
    #[must_use]
    pub fn owned_services(&self) -> BTreeSet<Service> {
        match self.has(Role::Actors) {
            true => self.services.clone(),
            false => BTreeSet::new(),
        }
    }

    /// Whether some view is on a server, where several nodes may share it.
    #[must_use]
    pub fn has_views_on_servers(&self) -> bool {
        self.documents_url != DocumentsBackend::Embedded
            || self.search_url != SearchBackend::Embedded
    }

    /// What may not be set together.
    pub(super) fn do_not_go_together(&self) -> Vec<ConfigError> {
        let mut errors = match self.log_url {
            LogBackend::Embedded => self.alone(),
            LogBackend::Kafka(_) => self.among_others(),
        };
        errors.extend(self.shown_to_nobody());
        errors
    }

    /// Nobody else could do what a node that is alone does not.
    fn alone(&self) -> Vec<ConfigError> {
        let alone = "log_url is embedded, with which a node is alone";
        let roles = ConfigError::NotTogether {
            setting: "roles",
            value: self.role_names(),
            beside: alone,
            allowed: "api,actors,projections, or api,actors for a node that shows no views; \
                other nodes are there when log_url is kafka://HOST:PORT",
        };
        let names: Vec<_> = self.services.iter().map(|service| service.name()).collect();
        let services = ConfigError::NotTogether {
            setting: "services",
            value: names.join(","),
            beside: alone,
            allowed: "customers,orders; other nodes are there when log_url is kafka://HOST:PORT",
        };

        let relay = ConfigError::NotTogether {
            setting: "relay",
            value: self.relay.name().to_owned(),
            beside: alone,
            allowed: "direct; there is something to carry when log_url is kafka://HOST:PORT",
        };

        let lacks_roles = !self.has(Role::Api) || !self.has(Role::Actors);
        let lacks_services = self.services.len() < domain::SERVICES.len();
        let relays = self.relay != RelayBy::Direct;
        [
            (lacks_roles, roles),
            (lacks_services, services),
            (relays, relay),
        ]
        .into_iter()
        .filter_map(|(lacks, error)| lacks.then_some(error))
        .collect()
    }

    /// Several nodes write to one set of databases.
    fn among_others(&self) -> Vec<ConfigError> {
        let on_server = |setting, database: &DatabaseBackend| match database {
            DatabaseBackend::Postgres(_) => None,
            DatabaseBackend::Embedded => Some(ConfigError::NotTogether {
                setting,
                value: EMBEDDED.to_owned(),
                beside: "log_url is kafka",
                allowed: "a URL such as postgres://USER:PASSWORD@HOST:5432/DATABASE",
            }),
        };
        let without_tls = |setting, database: &DatabaseBackend| {
            let asks_for_tls = match database {
                DatabaseBackend::Postgres(address) => address.asks_for_tls(),
                DatabaseBackend::Embedded => false,
            };
            (asks_for_tls && self.relay == RelayBy::Wal).then(|| ConfigError::NotTogether {
                setting,
                value: "a URL that asks for TLS".to_owned(),
                beside: "relay is wal, which follows the database without TLS",
                allowed: "sslmode=prefer or disable, or another relay",
            })
        };
        [
            without_tls("customers_database_url", &self.customers_database_url),
            without_tls("orders_database_url", &self.orders_database_url),
            on_server("customers_database_url", &self.customers_database_url),
            on_server("orders_database_url", &self.orders_database_url),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// An embedded view is shown by its node alone, which must take requests for that.
    fn shown_to_nobody(&self) -> Vec<ConfigError> {
        if !self.has(Role::Projections) || self.has(Role::Api) {
            return Vec::new();
        }
        let embedded = |is_embedded: bool, setting, allowed| {
            let error = ConfigError::NotTogether {
                setting,
                value: EMBEDDED.to_owned(),
                beside: "roles has projections and not api, so that nobody could ask for the view",
                allowed,
            };
            is_embedded.then_some(error)
        };
        [
            embedded(
                self.documents_url == DocumentsBackend::Embedded,
                "documents_url",
                "a URL such as mongodb://HOST:27017/?replicaSet=NAME",
            ),
            embedded(
                self.search_url == SearchBackend::Embedded,
                "search_url",
                "the URL of an Elasticsearch such as http://HOST:9200",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What carries committed messages to Kafka.
    #[must_use]
    pub const fn relay(&self) -> Relay {
        match self.relay {
            RelayBy::Direct => Relay::Direct,
            RelayBy::Polling => Relay::Polling(self.relay_pause),
            RelayBy::Wal => Relay::Wal(self.relay_wal_kept),
        }
    }

    /// The roles, as the setting names them.
    #[must_use]
    pub fn role_names(&self) -> String {
        let names: Vec<_> = self.roles.iter().map(|role| role.name()).collect();
        names.join(",")
    }
}
