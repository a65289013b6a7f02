//! The names of the store's metrics, and how each crate declares its own.

/// Declares metrics: per metric its kind, a constant and its name. The comment above is also the
/// help text that a scrape shows, so that neither can go missing.
#[macro_export]
macro_rules! metric_names {
    ($($(#[doc = $help:literal])+ $kind:ident $constant:ident = $name:literal;)+) => {
        $($(#[doc = $help])+ pub const $constant: &str = $name;)+

        /// Gives each metric its help text; once the recorder is installed.
        pub fn describe() {
            $($crate::describe_metric!($kind, $constant, concat!($($help),+).trim());)+
        }
    };
}

/// One metric's help text, by its kind.
#[doc(hidden)]
#[macro_export]
macro_rules! describe_metric {
    (counter, $name:expr, $help:expr) => {
        ::metrics::describe_counter!($name, $help)
    };
    (gauge, $name:expr, $help:expr) => {
        ::metrics::describe_gauge!($name, $help)
    };
    (histogram, $name:expr, $help:expr) => {
        ::metrics::describe_histogram!($name, $help)
    };
}

crate::metric_names! {
    /// Transactions of a journal. Label `service`.
    counter JOURNAL_COMMITS = "counterfoil_journal_commits_total";
    /// Units committed. Label `service`.
    counter JOURNAL_UNITS = "counterfoil_journal_units_total";
    /// Units refused because of their own data. Label `service`.
    counter JOURNAL_CULPRITS = "counterfoil_journal_culprits_total";
    /// Panics over a journal's work. Label `service`.
    counter JOURNAL_PANICS = "counterfoil_journal_panics_total";
    /// Duration of a commit, from its first statement to its end. Label `service`.
    histogram JOURNAL_COMMIT_SECONDS = "counterfoil_journal_commit_seconds";
    /// Units that wait for their commit. Label `service`.
    gauge JOURNAL_BACKLOG = "counterfoil_journal_backlog_units";
    /// Messages handed to the log. Label `service`.
    counter LOG_PUBLISHED = "counterfoil_log_published_messages_total";
    /// Deliveries left out because their receiver did not keep up; it reads them from the outbox.
    counter LOG_OVERFLOWS = "counterfoil_log_overflows_total";
    /// Messages whose retention is over. Label `service`.
    counter OUTBOX_PRUNED = "counterfoil_outbox_pruned_rows_total";
    /// Rows of an outbox that cannot be read. Label `service`.
    counter OUTBOX_UNREADABLE = "counterfoil_outbox_unreadable_rows_total";
    /// Snapshots of entities that could not be used, so that a whole history was folded. Label
    /// `service`.
    counter SNAPSHOTS_UNUSABLE = "counterfoil_snapshots_unusable_total";
    /// Records that were not delivered to Kafka; what is missed is read from the outbox. Label
    /// `reason`: `queue` (full, or not to be queued), `delivery` (failed).
    counter KAFKA_DROPPED = "counterfoil_kafka_dropped_records_total";
    /// Bytes of its log that a PostgreSQL server keeps for a relay. Label `service`.
    gauge RELAY_KEPT = "counterfoil_relay_wal_kept_bytes";
    /// Records of Kafka that cannot be read, and were skipped. Label `topic`.
    counter KAFKA_UNREADABLE = "counterfoil_kafka_unreadable_records_total";
}
