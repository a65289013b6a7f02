//! The names of the metrics of the node: HTTP, what an observer sees in the stores, the process.

store::metric_names! {
    /// Requests answered. Labels `route`, `outcome` and `status`; the route of what no route takes,
    /// or may see, is `unrouted`.
    counter REQUESTS = "counterfoil_http_requests_total";
    /// Time from a request to its answer. Label `route`.
    histogram REQUEST_SECONDS = "counterfoil_http_request_seconds";
    /// Requests refused, by the type of their problem: `overloaded` is not `view-behind`. Label
    /// `type`.
    counter PROBLEMS = "counterfoil_http_problems_total";
    /// Requests that could not be parsed. Label `status`.
    counter UNPARSED = "counterfoil_http_unparsed_total";
    /// Requests that are worked on. Label `what`.
    gauge IN_FLIGHT = "counterfoil_http_in_flight";
    /// Callers that wait for a saga's end, or for a view. Label `what`.
    gauge WAITING = "counterfoil_http_waiting";
    /// Connections that are open.
    gauge CONNECTIONS = "counterfoil_http_connections";
    /// Connections at rest that were closed to make room for others.
    counter CONNECTIONS_DISMISSED = "counterfoil_http_connections_dismissed_total";
    /// Connections that found no place.
    counter CONNECTIONS_REFUSED = "counterfoil_http_connections_refused_total";

    /// Messages in the outboxes of a service that their receivers have not applied. Label
    /// `service`.
    gauge OUTBOX_BACKLOG = "counterfoil_outbox_backlog_messages";
    /// Messages to a service that it has not applied. Label `service`.
    gauge INBOX_BACKLOG = "counterfoil_inbox_backlog_messages";
    /// Messages that are parked. Labels `service` and `state`: `WAITING` for another attempt, or
    /// `QUARANTINED` for an operator.
    gauge PARKED = "counterfoil_parked_messages";
    /// Messages in quarantine by cause, without those that wait behind them. Labels `service` and
    /// `cause`: without the ids in it, the most frequent ones; the rest are `other`.
    gauge QUARANTINED = "counterfoil_quarantined_messages";
    /// Entities that a view takes in no longer, by cause. Labels `view` and `cause`, as above.
    gauge QUARANTINED_IN_VIEWS = "counterfoil_view_quarantined_by_cause";
    /// Sagas that have not ended. Labels `type` and `state`.
    gauge OPEN_SAGAS = "counterfoil_open_sagas";
    /// Audits of a sample of the stores, where the node makes them. Label `outcome`: `holds`,
    /// `violated`, or `failed` when there is none.
    counter AUDITS = "counterfoil_audits_total";
    /// How long they took.
    histogram AUDIT_SECONDS = "counterfoil_audit_seconds";
    /// What the last one looked at. Label `invariant`.
    gauge AUDIT_CHECKED = "counterfoil_audit_checked";
    /// What the last one has found wrong. Label `invariant`.
    gauge AUDIT_VIOLATIONS = "counterfoil_audit_violations";
    /// Shards that take commands.
    gauge SHARDS_OPEN = "counterfoil_shards_open";
    /// Shards that there are.
    gauge SHARDS = "counterfoil_shards";
    /// Whether the database of a service stands still: its writes fail. Label `service`.
    gauge STANDS_STILL = "counterfoil_journal_stands_still";
    /// Bytes in the data folder. Label `file`: a database, its write-ahead log, or all views.
    gauge FILE_BYTES = "counterfoil_data_file_bytes";
    /// Bytes that the disk of the data folder has left for this user.
    gauge DISK_AVAILABLE = "counterfoil_disk_available_bytes";
    /// Bytes that the disk of the data folder has.
    gauge DISK_SIZE = "counterfoil_disk_size_bytes";
    /// Times that the stores could not be looked at, so that their gauges are old.
    counter UNOBSERVED = "counterfoil_observations_failed_total";

    /// What runs here: always 1. Label `version`.
    gauge BUILD_INFO = "counterfoil_build_info";
    /// When the process has started, in seconds since the Unix epoch.
    gauge START_TIME = "process_start_time_seconds";
    /// Resident memory of the process.
    gauge RESIDENT = "process_resident_memory_bytes";
    /// Resident memory that is not backed by files.
    gauge ANONYMOUS = "process_anonymous_memory_bytes";
    /// Threads of the process.
    gauge THREADS = "process_threads";
    /// Processor time used by the process, in whole seconds.
    counter CPU = "process_cpu_seconds_total";
    /// File descriptors that the process has open.
    gauge OPEN_FILES = "process_open_fds";
    /// File descriptors that the process may have open.
    gauge MAX_FILES = "process_max_fds";
}
