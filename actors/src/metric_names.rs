//! The names of the actors' metrics.

store::metric_names! {
    /// Live actors. Labels `service` and `shard`.
    gauge ACTORS_LIVE = "counterfoil_actors_live";
    /// Actors brought into memory. Label `service`.
    counter ACTORS_ACTIVATED = "counterfoil_actors_activated_total";
    /// Actors passivated to keep within the bound. Label `service`.
    counter ACTORS_PASSIVATED = "counterfoil_actors_passivated_total";
    /// Panics caught in actors. Label `service`.
    counter ACTOR_PANICS = "counterfoil_actor_panics_total";
    /// Messages of the log that were applied. Label `service`.
    counter INBOX_APPLIED = "counterfoil_inbox_applied_total";
    /// Messages dropped because they had been applied before. Label `service`.
    counter INBOX_DUPLICATES = "counterfoil_inbox_duplicates_total";
    /// Times a shard saw that a message had been lost on the way, and read it from the outbox.
    /// Label `service`.
    counter INBOX_GAPS = "counterfoil_inbox_gaps_total";
    /// Messages parked, for a retry or behind another. Label `service`.
    counter MESSAGES_PARKED = "counterfoil_messages_parked_total";
    /// Messages quarantined. Label `service`.
    counter MESSAGES_QUARANTINED = "counterfoil_messages_quarantined_total";
    /// Times a shard dropped its memory and reloaded. Label `service`.
    counter SHARD_RELOADS = "counterfoil_shard_reloads_total";
    /// Sagas ended. Labels `type` and `state`.
    counter SAGAS_ENDED = "counterfoil_sagas_ended_total";
    /// Time from the request that has begun a saga to its end. Labels `type` and `state`.
    histogram SAGA_SECONDS = "counterfoil_saga_duration_seconds";
}
