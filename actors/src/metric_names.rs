//! The names of the actors' metrics.

/// Live actors. Label `service`.
pub const ACTORS_LIVE: &str = "counterfoil_actors_live";
/// Actors brought into memory. Label `service`.
pub const ACTORS_ACTIVATED: &str = "counterfoil_actors_activated_total";
/// Actors passivated to keep within the bound. Label `service`.
pub const ACTORS_PASSIVATED: &str = "counterfoil_actors_passivated_total";
/// Panics caught in actors. Label `service`.
pub const ACTOR_PANICS: &str = "counterfoil_actor_panics_total";
/// Messages of the log that were applied. Label `service`.
pub const INBOX_APPLIED: &str = "counterfoil_inbox_applied_total";
/// Messages dropped because they had been applied before. Label `service`.
pub const INBOX_DUPLICATES: &str = "counterfoil_inbox_duplicates_total";
/// Times a shard saw that a message had been lost on the way, and read it from the outbox. Label
/// `service`.
pub const INBOX_GAPS: &str = "counterfoil_inbox_gaps_total";
/// Messages parked, for a retry or behind another. Label `service`.
pub const MESSAGES_PARKED: &str = "counterfoil_messages_parked_total";
/// Messages quarantined. Label `service`.
pub const MESSAGES_QUARANTINED: &str = "counterfoil_messages_quarantined_total";
/// Times a shard dropped its memory and reloaded. Label `service`.
pub const SHARD_RELOADS: &str = "counterfoil_shard_reloads_total";
/// Sagas ended. Labels `type` and `state`.
pub const SAGAS_ENDED: &str = "counterfoil_sagas_ended_total";
