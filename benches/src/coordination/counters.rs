//! What a node has counted, read from its metrics.

use super::node::Node;

/// What the durable work of a node comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counters {
    /// Units.
    pub units: f64,
    /// Transactions.
    pub commits: f64,
    /// Messages handed to the log: commands, replies, events.
    pub messages: f64,
}

impl Counters {
    /// As they stand now.
    pub async fn of(node: &Node) -> anyhow::Result<Self> {
        let metrics = node.text("/metrics").await?;
        let sum = |name| sum_of(&metrics, name, "");
        Ok(Counters {
            units: sum("counterfoil_journal_units_total"),
            commits: sum("counterfoil_journal_commits_total"),
            messages: sum("counterfoil_log_published_messages_total"),
        })
    }

    /// What was counted since, for each of so many.
    #[must_use]
    pub fn each(self, before: Self, number: f64) -> Self {
        let each = |now: f64, before: f64| (now - before) / number;
        Counters {
            units: each(self.units, before.units),
            commits: each(self.commits, before.commits),
            messages: each(self.messages, before.messages),
        }
    }
}

/// The sum of all values of a metric that have this label.
#[must_use]
pub fn sum_of(metrics: &str, name: &str, label: &str) -> f64 {
    let lines = metrics.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (metric, labels) = series.split_once('{').unwrap_or((series, ""));
        (metric == name && labels.contains(label)).then(|| value.parse::<f64>().ok())?
    });
    lines.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_metric_with_a_label_add_up() {
        let metrics = "# TYPE sagas gauge\nsagas{state=\"STUCK\",type=\"a\"} 2\n\
                       sagas{state=\"STUCK\",type=\"b\"} 3\nsagas{state=\"RUNNING\"} 7\n\
                       sagas_total 9\n";
        assert_eq!(sum_of(metrics, "sagas", "state=\"STUCK\""), 5.0);
        assert_eq!(sum_of(metrics, "sagas", ""), 12.0);
        assert_eq!(sum_of(metrics, "sagas_total", ""), 9.0);
    }
}
