//! The one description of every setting: name, environment variable, default, what is allowed, what
//! it means, how it is read.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use domain::{Coordination, Service};
use store::Loading;
use store::faults::FaultPlan;

use super::backend::{
    self, DatabaseBackend, DocumentsBackend, LogBackend, SearchBackend, SecretUrl,
};
use super::places::{self, Hosts};
use super::value::{self, LogFormat, RelayBy, Role, Switch};
use super::{ConfigError, Effective, Setting};

const YEAR: u64 = 365 * 24 * 60 * 60;
/// The shortest time that a client can be given.
const MOMENT: Duration = Duration::from_millis(100);

macro_rules! settings {
    ($($name:ident: $type:ty {
        flag: $flag:literal,
        env: $env:literal,
        default: $default:literal,
        allowed: $allowed:literal,
        meaning: $meaning:literal,
        secret: $secret:literal,
        parse: $parse:expr $(,)?
    })+) => {
        /// The configuration of a node, checked.
        #[derive(Clone, Debug)]
        pub struct Config {
            $(#[doc = $meaning] pub $name: $type,)+
        }

        /// Every setting there is.
        pub static SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($name),
            flag: $flag,
            environment: $env,
            default: $default,
            allowed: $allowed,
            meaning: $meaning,
            secret: $secret,
        }),+];

        impl Config {
            /// Checks and converts the values in force.
            ///
            /// # Errors
            /// The first setting whose value is not allowed.
            pub fn read(effective: &Effective) -> Result<Config, ConfigError> {
                Ok(Config { $($name: effective.parse(stringify!($name), $parse)?,)+ })
            }

            /// Every setting whose value is not allowed.
            pub(super) fn refusals(effective: &Effective) -> Vec<ConfigError> {
                let refusals = [$(effective.parse(stringify!($name), $parse).err()),+];
                refusals.into_iter().flatten().collect()
            }
        }
    };
}

settings! {
    listen: SocketAddr {
        flag: "--listen",
        env: "COUNTERFOIL_LISTEN",
        default: "127.0.0.1:8080",
        allowed: "an IP address and a port such as 127.0.0.1:8080",
        meaning: "HTTP address",
        secret: false,
        parse: value::address,
    }
    allowed_hosts: Hosts {
        flag: "--allowed-hosts",
        env: "COUNTERFOIL_ALLOWED_HOSTS",
        default: "auto",
        allowed: "auto (none beside localhost when the node listens on this machine alone, else \
            *), a list of names such as shop.example, or * for every name",
        meaning: "Names by which clients may call the node; IP addresses, localhost and names \
            without a dot always do",
        secret: false,
        parse: places::hosts,
    }
    allowed_origins: BTreeSet<String> {
        flag: "--allowed-origins",
        env: "COUNTERFOIL_ALLOWED_ORIGINS",
        default: "",
        allowed: "a list of origins such as https://shop.example",
        meaning: "Web pages from elsewhere that may call the node and read its answers (CORS); \
            others may change nothing",
        secret: false,
        parse: places::origins,
    }
    data_dir: PathBuf {
        flag: "--data-dir",
        env: "COUNTERFOIL_DATA_DIR",
        default: "./counterfoil-data",
        allowed: "the path of a folder",
        meaning: "Folder in which everything embedded lives",
        secret: false,
        parse: value::path,
    }
    services: BTreeSet<Service> {
        flag: "--services",
        env: "COUNTERFOIL_SERVICES",
        default: "customers,orders",
        allowed: "one or more of customers,orders",
        meaning: "Services whose shards this node may own; both, unless it has other nodes beside it",
        secret: false,
        parse: value::services,
    }
    roles: BTreeSet<Role> {
        flag: "--roles",
        env: "COUNTERFOIL_ROLES",
        default: "api,actors,projections",
        allowed: "one or more of api,actors,projections",
        meaning: "What this node does: take requests, own shards, feed views; all of it, unless it \
            has other nodes beside it",
        secret: false,
        parse: value::roles,
    }
    customers_database_url: DatabaseBackend {
        flag: "--customers-database-url",
        env: "COUNTERFOIL_CUSTOMERS_DATABASE_URL",
        default: "embedded",
        allowed: "embedded, or a URL such as postgres://USER:PASSWORD@HOST:5432/DATABASE",
        meaning: "Database of the customers service",
        secret: true,
        parse: backend::database,
    }
    orders_database_url: DatabaseBackend {
        flag: "--orders-database-url",
        env: "COUNTERFOIL_ORDERS_DATABASE_URL",
        default: "embedded",
        allowed: "embedded, or a URL such as postgres://USER:PASSWORD@HOST:5432/DATABASE",
        meaning: "Database of the orders service",
        secret: true,
        parse: backend::database,
    }
    log_url: LogBackend {
        flag: "--log-url",
        env: "COUNTERFOIL_LOG_URL",
        default: "embedded",
        allowed: "embedded, or brokers such as kafka://HOST:9092,HOST:9092",
        meaning: "Log that carries messages between shards; with Kafka between several nodes, whose \
            databases are on servers",
        secret: true,
        parse: backend::log,
    }
    kafka_partitions: i32 {
        flag: "--kafka-partitions",
        env: "COUNTERFOIL_KAFKA_PARTITIONS",
        default: "4",
        allowed: "a whole number from 1 to 64",
        meaning: "Partitions of each Kafka topic, fixed at the first start: at most so many nodes \
            own shards, and fewer make less work",
        secret: false,
        parse: |text| value::number(text, 1..=64),
    }
    relay: RelayBy {
        flag: "--relay",
        env: "COUNTERFOIL_RELAY",
        default: "direct",
        allowed: "direct, polling or wal",
        meaning: "What carries committed messages to Kafka: the node that commits, as best it can; \
            or, each at least once, the owner of a shard, who looks into its outbox, or a node that \
            follows PostgreSQL's write-ahead log",
        secret: false,
        parse: value::relay,
    }
    relay_pause: Duration {
        flag: "--relay-pause",
        env: "COUNTERFOIL_RELAY_PAUSE",
        default: "20ms",
        allowed: "a time from 1ms to 10s such as 20ms",
        meaning: "Time between two looks of a polling relay at the outboxes",
        secret: false,
        parse: |text| value::duration(text, Duration::from_millis(1)..=Duration::from_secs(10)),
    }
    relay_wal_kept: u64 {
        flag: "--relay-wal-kept",
        env: "COUNTERFOIL_RELAY_WAL_KEPT",
        default: "1073741824",
        allowed: "a number of bytes from 16777216 to 1099511627776",
        meaning: "How much of its log PostgreSQL may keep for a relay that follows it and cannot go \
            on; beyond that the outboxes are read instead",
        secret: false,
        parse: |text| value::number(text, (16 << 20)..=(1_u64 << 40)),
    }
    documents_url: DocumentsBackend {
        flag: "--documents-url",
        env: "COUNTERFOIL_DOCUMENTS_URL",
        default: "embedded",
        allowed: "embedded, or a URL such as mongodb://HOST:27017/?replicaSet=NAME or \
            mongodb+srv://HOST",
        meaning: "Store of the document view",
        secret: true,
        parse: backend::documents,
    }
    search_url: SearchBackend {
        flag: "--search-url",
        env: "COUNTERFOIL_SEARCH_URL",
        default: "embedded",
        allowed: "embedded, or the URL of an Elasticsearch such as http://HOST:9200 or \
            https://HOST:9200",
        meaning: "Store of the search view",
        secret: true,
        parse: backend::search,
    }
    namespace: String {
        flag: "--namespace",
        env: "COUNTERFOIL_NAMESPACE",
        default: "counterfoil",
        allowed: "1 to 40 of a-z, 0-9, - and _, beginning with a letter",
        meaning: "Prefix of the names this deployment uses in shared stores, and the MongoDB \
            database when the URL names none",
        secret: false,
        parse: value::namespace,
    }
    shards: u16 {
        flag: "--shards",
        env: "COUNTERFOIL_SHARDS",
        default: "16",
        allowed: "a whole number from 1 to 64",
        meaning: "Shards per service, fixed at the first start",
        secret: false,
        parse: |text| value::number(text, 1..=64),
    }
    coordination: Coordination {
        flag: "--coordination",
        env: "COUNTERFOIL_COORDINATION",
        default: "orchestration",
        allowed: "orchestration or choreography",
        meaning: "How new orders and cancels are coordinated: by sagas, or by services that react \
            to each other's events",
        secret: false,
        parse: value::coordination,
    }
    customers_loading: Loading {
        flag: "--customers-loading",
        env: "COUNTERFOIL_CUSTOMERS_LOADING",
        default: "row",
        allowed: "row, replay, or replay:N with a snapshot every N events, N from 1 to 1000000",
        meaning: "Where customers come from when they are brought into memory: from their rows, or \
            from the events of their history",
        secret: false,
        parse: value::loading,
    }
    orders_loading: Loading {
        flag: "--orders-loading",
        env: "COUNTERFOIL_ORDERS_LOADING",
        default: "row",
        allowed: "row, replay, or replay:N with a snapshot every N events, N from 1 to 1000000",
        meaning: "Where orders come from when they are brought into memory: from their rows, or \
            from the events of their history",
        secret: false,
        parse: value::loading,
    }
    saga_deadline: Duration {
        flag: "--saga-deadline",
        env: "COUNTERFOIL_SAGA_DEADLINE",
        default: "10m",
        allowed: "a time from 1s to 24h such as 30s, 10m or 1h",
        meaning: "Time after which a saga that has not ended compensates",
        secret: false,
        parse: |text| value::duration(text, Duration::from_secs(1)..=Duration::from_secs(86_400)),
    }
    saga_retry: Duration {
        flag: "--saga-retry",
        env: "COUNTERFOIL_SAGA_RETRY",
        default: "2s",
        allowed: "a time from 10ms to 1h such as 2s",
        meaning: "Time after which an unconfirmed compensation is tried again; it doubles each time",
        secret: false,
        parse: |text| value::duration(text, Duration::from_millis(10)..=Duration::from_secs(3_600)),
    }
    saga_attempts: u32 {
        flag: "--saga-attempts",
        env: "COUNTERFOIL_SAGA_ATTEMPTS",
        default: "8",
        allowed: "a whole number from 1 to 16",
        meaning: "Attempts at a compensation after which its saga is stuck",
        secret: false,
        parse: |text| value::number(text, 1..=16),
    }
    max_wait: Duration {
        flag: "--max-wait",
        env: "COUNTERFOIL_MAX_WAIT",
        default: "30s",
        allowed: "a time from 1s to 10m such as 30s",
        meaning: "Longest wait a caller may ask for with Prefer: wait",
        secret: false,
        parse: |text| value::duration(text, Duration::from_secs(1)..=Duration::from_secs(600)),
    }
    read_wait: Duration {
        flag: "--read-wait",
        env: "COUNTERFOIL_READ_WAIT",
        default: "5s",
        allowed: "a time from 0s to 10m such as 5s",
        meaning: "How long a query waits for its view when the caller does not say",
        secret: false,
        parse: |text| value::duration(text, Duration::ZERO..=Duration::from_secs(600)),
    }
    max_in_flight: usize {
        flag: "--max-in-flight",
        env: "COUNTERFOIL_MAX_IN_FLIGHT",
        default: "4096",
        allowed: "a whole number from 1 to 1000000",
        meaning: "Commands, and likewise queries, worked on at once; more are answered 503",
        secret: false,
        parse: |text| value::number(text, 1..=1_000_000),
    }
    max_waiting: usize {
        flag: "--max-waiting",
        env: "COUNTERFOIL_MAX_WAITING",
        default: "16384",
        allowed: "a whole number from 1 to 1000000",
        meaning: "Callers that wait for a saga, and likewise queries that wait for a view; more \
            are answered 503, and so are more than a quarter of them for one customer, order \
            or token",
        secret: false,
        parse: |text| value::number(text, 1..=1_000_000),
    }
    max_connections: usize {
        flag: "--max-connections",
        env: "COUNTERFOIL_MAX_CONNECTIONS",
        default: "auto",
        allowed: "auto (what the limit on open files leaves, at most 32768) or a whole number \
            from 16 to 1000000",
        meaning: "HTTP connections kept open at once; a newcomer beyond them takes the place of \
            the one that has been idle longest",
        secret: false,
        parse: |text| value::connections(text, 16..=1_000_000),
    }
    keep_alive: Duration {
        flag: "--keep-alive",
        env: "COUNTERFOIL_KEEP_ALIVE",
        default: "75s",
        allowed: "a time from 100ms to 1h such as 75s",
        meaning: "How long a connection may be idle between two requests",
        secret: false,
        parse: |text| value::duration(text, MOMENT..=Duration::from_secs(3_600)),
    }
    receive_timeout: Duration {
        flag: "--receive-timeout",
        env: "COUNTERFOIL_RECEIVE_TIMEOUT",
        default: "10s",
        allowed: "a time from 100ms to 10m such as 10s",
        meaning: "How long a client may take to send the head of a request, and as long again \
            for its body",
        secret: false,
        parse: |text| value::duration(text, MOMENT..=Duration::from_secs(600)),
    }
    max_actors: usize {
        flag: "--max-actors",
        env: "COUNTERFOIL_MAX_ACTORS",
        default: "20000",
        allowed: "a whole number from 100 to 10000000",
        meaning: "Entity actors kept in memory at most",
        secret: false,
        parse: |text| value::number(text, 100..=10_000_000),
    }
    arbiters: usize {
        flag: "--arbiters",
        env: "COUNTERFOIL_ARBITERS",
        default: "auto",
        allowed: "auto (one per core) or a whole number from 1 to 64",
        meaning: "Threads that run the shards",
        secret: false,
        parse: |text| value::threads(text, 1..=64),
    }
    http_workers: usize {
        flag: "--http-workers",
        env: "COUNTERFOIL_HTTP_WORKERS",
        default: "auto",
        allowed: "auto (one per core) or a whole number from 1 to 64",
        meaning: "Threads that serve HTTP",
        secret: false,
        parse: |text| value::threads(text, 1..=64),
    }
    node_id: String {
        flag: "--node-id",
        env: "COUNTERFOIL_NODE_ID",
        default: "node-1",
        allowed: "1 to 40 of a-z, 0-9, - and _, beginning with a letter",
        meaning: "Name of this node in the cluster",
        secret: false,
        parse: value::namespace,
    }
    log_format: LogFormat {
        flag: "--log-format",
        env: "COUNTERFOIL_LOG_FORMAT",
        default: "auto",
        allowed: "auto (pretty on a terminal, else json), pretty or json",
        meaning: "Form of the log",
        secret: false,
        parse: value::log_format,
    }
    access_log: Switch {
        flag: "--access-log",
        env: "COUNTERFOIL_ACCESS_LOG",
        default: "off",
        allowed: "on or off",
        meaning: "Whether each request is logged when it is answered, with its request id",
        secret: false,
        parse: value::switch,
    }
    audit_interval: Option<Duration> {
        flag: "--audit-interval",
        env: "COUNTERFOIL_AUDIT_INTERVAL",
        default: "off",
        allowed: "off, or a time from 1s to 168h such as 1h",
        meaning: "How often the node audits a sample of its stores, for the log and the metrics",
        secret: false,
        parse: |text| match text {
            "off" => Ok(None),
            text => value::duration(text, Duration::from_secs(1)..=Duration::from_secs(604_800))
                .map(Some),
        },
    }
    audit_sample: u64 {
        flag: "--audit-sample",
        env: "COUNTERFOIL_AUDIT_SAMPLE",
        default: "5000",
        allowed: "a whole number from 1 to 10000000",
        meaning: "How many customers, orders and sagas each such an audit looks at, about",
        secret: false,
        parse: |text| value::number(text, 1..=10_000_000),
    }
    otlp_endpoint: Option<SecretUrl> {
        flag: "--otlp-endpoint",
        env: "COUNTERFOIL_OTLP_ENDPOINT",
        default: "",
        allowed: "nothing, or the URL of an OTLP collector such as http://HOST:4318",
        meaning: "Collector that gets a trace of each request, as OTLP over HTTP; none without it",
        secret: true,
        parse: backend::collector,
    }
    retention: Duration {
        flag: "--retention",
        env: "COUNTERFOIL_RETENTION",
        default: "1h",
        allowed: "a time from 1m to 8760h such as 30m or 24h",
        meaning: "How long commands and replies are kept after they have been received",
        secret: false,
        parse: |text| value::duration(text, Duration::from_secs(60)..=Duration::from_secs(YEAR)),
    }
    view_keep: Duration {
        flag: "--view-keep",
        env: "COUNTERFOIL_VIEW_KEEP",
        default: "1h",
        allowed: "a time from 0s to 8760h such as 30m or 24h",
        meaning: "How long the generation of a view that was replaced is kept and fed, to go back \
            to",
        secret: false,
        parse: |text| value::duration(text, Duration::ZERO..=Duration::from_secs(YEAR)),
    }
    faults: FaultPlan {
        flag: "--faults",
        env: "COUNTERFOIL_FAULTS",
        default: "",
        allowed: "a list of deliver-twice, lose-message=N, fail-commit=N, panic-customer=NAME, \
            panic-order=NOTE, panic-saga=NAME, panic-journal=N, panic-turn=N, panic-once",
        meaning: "Faults to inject, for tests only",
        secret: false,
        parse: value::faults,
    }
}
