//! Searches for a fixed set of texts, one after the other by each reader.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::background::BackgroundReport;
use super::options::Options;
use crate::latency::{Latencies, Summary};
use crate::load::connection::Connection;

const TIMEOUT: Duration = Duration::from_secs(60);
/// Words, phrases and prefixes of what the load generator orders.
const TEXTS: [&str; 8] = [
    "yogurt",
    "whole milk",
    "\"root vegetables\"",
    "sau*",
    "rolls yogurt milk",
    "tropical fruit",
    "\"cream cheese\"",
    "nothing of this kind",
];

/// What the searches have taken.
pub struct Searched {
    texts: Vec<(String, Latencies, u64)>,
}

/// The phase `search`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchReport {
    /// The latencies of all searches.
    pub all: Summary,
    /// One for each text.
    pub texts: Vec<TextReport>,
    /// The load during the phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<BackgroundReport>,
}

/// The searches for one text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TextReport {
    /// The text searched for.
    pub text: String,
    /// Orders that match, at the last look.
    pub total: u64,
    /// The latencies of its searches.
    pub latency: Summary,
}

#[derive(Deserialize)]
struct Found {
    total: u64,
}

/// The texts to search for.
pub fn texts(file: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let Some(file) = file else {
        return Ok(TEXTS.map(str::to_owned).to_vec());
    };

    let read = std::fs::read_to_string(file)
        .with_context(|| format!("queries: cannot read {}", file.display()))?;
    let texts: Vec<String> = read
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();

    ensure!(
        !texts.is_empty(),
        "queries: {} has no texts",
        file.display()
    );

    Ok(texts)
}

/// Searches until the deadline.
pub async fn measure(options: &Options, deadline: Instant) -> anyhow::Result<Searched> {
    let texts = texts(options.queries.as_deref())?;
    let readers = (0..options.readers).map(|_| search(options, &texts, deadline));
    let mut all = Searched::empty(&texts)?;
    for searched in try_join_all(readers).await? {
        for ((_, latencies, total), (_, more, newest)) in all.texts.iter_mut().zip(searched.texts) {
            latencies.add(&more)?;
            *total = newest.max(*total);
        }
    }
    Ok(all)
}

async fn search(
    options: &Options,
    texts: &[String],
    deadline: Instant,
) -> anyhow::Result<Searched> {
    let mut connection = Connection::new(&options.url, TIMEOUT);

    let mut searched = Searched::empty(texts)?;
    while Instant::now() < deadline {
        for (text, latencies, total) in &mut searched.texts {
            let begun = Instant::now();
            *total = total_of(&mut connection, &path_of(text)).await?;
            latencies.record(begun.elapsed());
        }
    }

    Ok(searched)
}

/// How many orders a search finds.
pub async fn total_of(connection: &mut Connection, path: &str) -> anyhow::Result<u64> {
    let answer = connection.get(path, "").await?;
    let body = answer.body();
    ensure!(
        answer.status() == 200,
        "{path}: {} {}",
        answer.status(),
        String::from_utf8_lossy(body)
    );
    Ok(serde_json::from_slice::<Found>(body)
        .with_context(|| path.to_owned())?
        .total)
}

/// The search for a text.
#[must_use]
pub fn path_of(text: &str) -> String {
    format!("/orders?text={}", encoded(text))
}

/// A value of a query string.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

impl Searched {
    fn empty(texts: &[String]) -> anyhow::Result<Self> {
        let empty = texts
            .iter()
            .map(|text| Ok((text.clone(), Latencies::new()?, 0)));
        Ok(Searched {
            texts: empty.collect::<anyhow::Result<_>>()?,
        })
    }

    /// The latencies of all texts together.
    pub fn all(&self) -> anyhow::Result<Latencies> {
        let mut all = Latencies::new()?;
        for (_, latencies, _) in &self.texts {
            all.add(latencies)?;
        }
        Ok(all)
    }

    /// Sums up what the searches have taken.
    pub fn report(self, background: Option<BackgroundReport>) -> anyhow::Result<SearchReport> {
        let all = self.all()?.summary();
        let text = |(text, latencies, total): (String, Latencies, u64)| TextReport {
            text,
            total,
            latency: latencies.summary(),
        };
        Ok(SearchReport {
            all,
            texts: self.texts.into_iter().map(text).collect(),
            background,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reaches_the_node_as_it_is() {
        assert_eq!(encoded("\"root vegetables\""), "%22root%20vegetables%22");
        assert_eq!(encoded("sau*&x=1"), "sau%2A%26x%3D1");
    }
}
