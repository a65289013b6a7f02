//! The names of the store's metrics.

/// Transactions of a journal. Label `service`.
pub const JOURNAL_COMMITS: &str = "counterfoil_journal_commits_total";
/// Units committed. Label `service`.
pub const JOURNAL_UNITS: &str = "counterfoil_journal_units_total";
/// Units refused because of their own data. Label `service`.
pub const JOURNAL_CULPRITS: &str = "counterfoil_journal_culprits_total";
/// Panics over a journal's work. Label `service`.
pub const JOURNAL_PANICS: &str = "counterfoil_journal_panics_total";
/// Duration of a commit, from its first statement to its end. Label `service`.
pub const JOURNAL_COMMIT_SECONDS: &str = "counterfoil_journal_commit_seconds";
/// Units that wait for their commit. Label `service`.
pub const JOURNAL_BACKLOG: &str = "counterfoil_journal_backlog_units";
/// Messages handed to the log. Label `service`.
pub const LOG_PUBLISHED: &str = "counterfoil_log_published_messages_total";
/// Deliveries left out because their receiver did not keep up; it reads them from the outbox.
pub const LOG_OVERFLOWS: &str = "counterfoil_log_overflows_total";
/// Messages whose retention is over. Label `service`.
pub const OUTBOX_PRUNED: &str = "counterfoil_outbox_pruned_rows_total";
/// Rows of an outbox that cannot be read. Label `service`.
pub const OUTBOX_UNREADABLE: &str = "counterfoil_outbox_unreadable_rows_total";
