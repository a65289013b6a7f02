//! What the node itself says of its views: `GET /views`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::load::connection::Connection;
use crate::load::options::Target;

const TIMEOUT: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(100);

/// The largest number of events that a view was seen behind.
pub type LargestLag = BTreeMap<String, u64>;

/// One view, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewStatus {
    /// The view's name.
    pub name: String,
    /// Where it is kept.
    pub backend: String,
    /// Committed events that it has not taken in.
    pub lag: u64,
    /// The generation that answers.
    #[serde(default)]
    pub generation: Option<u32>,
    /// Of the generation that is being built.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// Why it has failed, if it has.
    #[serde(default)]
    pub error: Option<String>,
}

/// How far a rebuild is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The generation that is being built.
    pub generation: u32,
    /// Places or entities in all.
    pub total: u64,
}

#[derive(Deserialize)]
struct Views {
    views: Vec<ViewStatus>,
}

#[derive(Deserialize)]
struct Begun {
    generation: u32,
}

/// Asks the node for its views.
pub struct Operator {
    connection: Connection,
    target: Target,
}

impl Operator {
    /// Asks over a connection of its own.
    #[must_use]
    pub fn new(target: &Target) -> Self {
        Operator {
            connection: Connection::new(target, TIMEOUT),
            target: target.clone(),
        }
    }

    /// All views.
    pub async fn views(&mut self) -> anyhow::Result<Vec<ViewStatus>> {
        let answer = self.connection.get("/views", "").await?;
        ensure!(answer.status() == 200, "/views: {}", answer.status());
        Ok(serde_json::from_slice::<Views>(answer.body())
            .context("/views")?
            .views)
    }

    /// One view; an error when there is none of this name.
    pub async fn view(&mut self, name: &str) -> anyhow::Result<ViewStatus> {
        let found = self
            .views()
            .await?
            .into_iter()
            .find(|view| view.name == name);
        found.with_context(|| format!("rebuild: there is no view {name}"))
    }

    /// Begins a rebuild; gives the number of the new generation.
    pub async fn rebuild(&mut self, name: &str, from: &str) -> anyhow::Result<u32> {
        let request = format!(
            "POST /views/{name}/rebuild?from={from} HTTP/1.1\r\nHost: {}\r\n\
             Content-Length: 0\r\n\r\n",
            self.target.authority
        );

        let answer = self.connection.exchange(request.as_bytes()).await?;
        if answer.status() != 202 {
            bail!(
                "{name} is not rebuilt: {} {}",
                answer.status(),
                String::from_utf8_lossy(answer.body())
            );
        }

        Ok(serde_json::from_slice::<Begun>(answer.body())
            .context("the answer to a rebuild")?
            .generation)
    }
}

/// Looks at the views' lag until the deadline.
pub async fn watch(target: &Target, deadline: Instant) -> anyhow::Result<LargestLag> {
    let mut operator = Operator::new(target);
    let mut largest = LargestLag::new();
    while Instant::now() < deadline {
        for view in operator.views().await? {
            let lag = largest.entry(view.name).or_default();
            *lag = view.lag.max(*lag);
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(largest)
}
