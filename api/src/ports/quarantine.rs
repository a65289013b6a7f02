//! What is in quarantine: the port, and the shapes of the public contract.

use std::time::Duration;

use domain::{MessageId, Service, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Listed, OperatorAction, Page, ReadFuture, schema};

/// Which parked messages to list, oldest first.
#[derive(Clone, Debug)]
pub struct ParkedQuery {
    /// Only those of this service.
    pub service: Option<Service>,
    /// Only those that address this customer or saga.
    pub entity: Option<Uuid>,
    /// Only those of this wire name.
    pub message_type: Option<String>,
    /// A text in the cause, whatever its case.
    pub cause: Option<String>,
    /// Only those that were parked longer ago than this.
    pub older_than: Option<Duration>,
    /// Which part of the list.
    pub page: Page,
}

/// Which entities that views take in no longer, oldest first.
#[derive(Clone, Debug)]
pub struct InViewsQuery {
    /// Only in this view.
    pub view: Option<&'static str>,
    /// Only those of this service.
    pub service: Option<Service>,
    /// Only this one.
    pub entity: Option<Uuid>,
    /// A text in the cause, whatever its case.
    pub cause: Option<String>,
    /// Only those that are in quarantine for longer than this.
    pub older_than: Option<Duration>,
    /// Which part of the list.
    pub page: Page,
}

/// A message that cannot be processed, with those of the same entity that wait behind it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parked {
    /// The parked message's own.
    #[schema(value_type = Uuid)]
    pub id: MessageId,
    /// The service that has parked it.
    pub service: String,
    /// The number of its shard in that service.
    pub shard: u16,
    /// `customer`, `order` or `saga`.
    pub entity_type: String,
    /// The entity that it addresses; its later messages wait, too.
    pub entity_id: Uuid,
    /// The wire name of the message.
    pub message_type: String,
    /// How many messages are parked for the entity, this one included.
    pub messages: u64,
    /// How often it has been tried since it was parked or last replayed; what can never succeed
    /// counts as tried as often as is allowed.
    pub attempts: u32,
    /// When it was parked.
    #[schema(value_type = schema::Time)]
    pub since: Timestamp,
    /// Why the last attempt failed; empty when it waits behind another message.
    pub cause: String,
    /// What was sent; not in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<ParkedMessage>,
    /// What operators have done to it, oldest first; not in a list. An edit has the former body in
    /// its detail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<OperatorAction>,
}

/// What was sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParkedMessage {
    /// The shard that has sent it.
    pub source: String,
    /// Its place there.
    pub sequence: u64,
    /// The version of its wire form.
    pub type_version: u16,
    /// When it was sent.
    #[schema(value_type = schema::Time)]
    pub time: Timestamp,
    /// The saga that asks, or is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saga_id: Option<Uuid>,
    /// Its step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saga_step: Option<String>,
    /// The number of its attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saga_attempt: Option<u32>,
    /// What stands in it; where that is no JSON, the text as it is.
    #[schema(value_type = Value)]
    pub body: Value,
}

/// The messages that are in quarantine for one cause.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuarantineCause {
    /// With `{id}` in the place of ids. As the `cause` of a list it finds these messages.
    pub cause: String,
    /// Where the messages are in quarantine; the entities' service where a view is named.
    pub service: String,
    /// The view that cannot take events of so many entities in; absent where a service cannot
    /// process messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub view: Option<&'static str>,
    /// How many, without those that wait behind them.
    pub messages: u64,
    /// When the oldest of them was parked; where a view is named, when it came into quarantine.
    #[schema(value_type = schema::Time)]
    pub since: Timestamp,
    /// When the newest of them was parked; where a view is named, when it came into quarantine.
    #[schema(value_type = schema::Time)]
    pub newest: Timestamp,
}

/// An entity that a view shows as it was before an event that it could not take in. Its later
/// events wait for that one; other entities go on.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParkedInView {
    /// The view's name.
    #[schema(value_type = String)]
    pub view: &'static str,
    /// The service that the entity belongs to.
    pub service: String,
    /// `customer` or `order`.
    pub entity_type: String,
    /// The customer or order.
    pub entity_id: Uuid,
    /// The version that could not be taken in. Whoever has seen it is answered `503 view-behind`.
    pub version: u64,
    /// The shard whose event it is.
    pub shard: u16,
    /// Where the event stands among the messages of its shard.
    pub sequence: u64,
    /// When the event happened.
    #[schema(value_type = schema::Time)]
    pub time: Timestamp,
    /// Since when it is in quarantine.
    #[schema(value_type = schema::Time)]
    pub since: Timestamp,
    /// Why the event could not be taken in.
    pub cause: String,
    /// The event that could not be taken in; not in a list, and absent when it is not there or
    /// cannot be read at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventNotTakenIn>,
    /// What operators have done to the entity in this view, oldest first; not in a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub actions: Vec<OperatorAction>,
}

/// An event that a view could not take in, as the entity's history has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventNotTakenIn {
    /// The event's own id.
    #[schema(value_type = Uuid)]
    pub message_id: MessageId,
    /// The wire name of the event.
    pub message_type: String,
    /// The version of its wire form.
    pub type_version: u16,
    /// What the event is part of: the saga's id, or the request's own.
    pub correlation_id: Uuid,
    /// What stands in it; where that is no JSON, the text as it is.
    #[schema(value_type = Value)]
    pub body: Value,
}

/// Shows what is parked, from the services' own databases.
pub trait Quarantine: Send + Sync {
    /// Oldest first.
    fn list(&self, query: ParkedQuery) -> ReadFuture<'_, Listed<Parked>>;

    /// What of it the views cannot take in, oldest first, some hundred at most.
    fn in_views(&self, query: &ParkedQuery) -> Vec<ParkedInView>;

    /// By cause, that of most messages first.
    fn causes(&self) -> ReadFuture<'_, Vec<QuarantineCause>>;

    /// What the views cannot take in, oldest first.
    fn list_in_views(&self, query: InViewsQuery) -> ReadFuture<'_, Listed<ParkedInView>>;

    /// One entity in one view; not found when the view takes it in.
    fn show_in_view<'a>(&'a self, view: &'a str, entity: Uuid) -> ReadFuture<'a, ParkedInView>;

    /// One entry; not found when nothing is parked under this id.
    fn show(&self, id: MessageId) -> ReadFuture<'_, Parked>;
}
