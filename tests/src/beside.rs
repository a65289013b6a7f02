//! How many processes the node of a test is: one, or several that share everything.
//!
//! With `COUNTERFOIL_TEST_NODES=3` a node under test is three processes on a PostgreSQL and a Kafka
//! (`COUNTERFOIL_TEST_POSTGRES_URL`, `COUNTERFOIL_TEST_KAFKA_URL`), and whatever happens to it
//! happens to all of them. Its client sends each request to the next one, and behaves as the
//! contract asks of somebody who wants to read what he wrote: a query that names no token carries
//! those of the newest answers, whoever got them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use crate::databases::SERVICES;

/// A query carries at most so much of tokens, the newest.
const LONGEST: usize = 6 * 1024;

/// How many processes a node is in this run of the tests.
pub(crate) fn of_this_run() -> usize {
    match std::env::var("COUNTERFOIL_TEST_NODES") {
        Err(_) => 1,
        Ok(nodes) => match nodes.parse() {
            Ok(nodes) if (1..=4).contains(&nodes) => nodes,
            _ => panic!("COUNTERFOIL_TEST_NODES is {nodes:?}; allowed: 1 to 4"),
        },
    }
}

/// What makes a process one of several.
pub(crate) fn settings(namespace: &str, number: usize) -> Vec<(String, String)> {
    let kafka = std::env::var("COUNTERFOIL_TEST_KAFKA_URL")
        .expect("COUNTERFOIL_TEST_KAFKA_URL is not set; see CONTRIBUTING.md");
    let named = |name: &str, value: String| (name.to_owned(), value);
    vec![
        named("COUNTERFOIL_LOG_URL", kafka),
        named("COUNTERFOIL_NAMESPACE", namespace.to_owned()),
        named("COUNTERFOIL_NODE_ID", format!("node-{number}")),
    ]
}

/// Deletes what processes of this namespace have left in Kafka.
pub(crate) fn clean(namespace: &str) {
    let of_service =
        |service| ["inbox", "events", "requests"].map(|kind| format!("{service}.{kind}"));
    let services = SERVICES.into_iter().flat_map(of_service);
    let all = services.chain(["answers".to_owned(), "nodes".to_owned()]);
    let topics: Vec<_> = all.map(|topic| format!("{namespace}.{topic}")).collect();

    // on a thread of its own: a runtime cannot be blocked on from within another
    let cleaned = std::thread::scope(|scope| {
        let cleaning = scope.spawn(|| delete(&topics));
        cleaning
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("cleaning panicked")))
    });
    if let Err(error) = cleaned {
        eprintln!("the topics {namespace}.… stay behind: {error:#}");
    }
}

fn delete(topics: &[String]) -> anyhow::Result<()> {
    let brokers = std::env::var("COUNTERFOIL_TEST_KAFKA_URL")?;
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers.trim_start_matches("kafka://"))
        .create()?;
    let names: Vec<_> = topics.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Those that have never been made are no loss.
    runtime.block_on(admin.delete_topics(&names, &AdminOptions::new()))?;
    Ok(())
}

/// The tokens of the newest answers.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<VecDeque<String>>);

impl Tokens {
    pub(crate) fn note(&self, token: &str) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if token.is_empty() || tokens.iter().any(|known| known == token) {
            return;
        }
        tokens.push_back(token.to_owned());
        while tokens.iter().map(String::len).sum::<usize>() > LONGEST {
            tokens.pop_front();
        }
    }

    /// All of them, as a query carries them.
    pub(crate) fn all(&self) -> Option<String> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> = tokens.iter().map(String::as_str).collect();
        (!all.is_empty()).then(|| all.join(","))
    }
}
