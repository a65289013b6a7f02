//! The types of the OpenAPI document that are not the wire types themselves: amounts, and request
//! bodies, which are read field by field. States and times are those of the ports.

pub mod params;

use utoipa::ToSchema;
use uuid::Uuid;

pub use crate::ports::schema::{
    OrderSort, OrderState, ParkedAction, RejectionReason, SagaAction, SagaState, SagaType, Service,
    Time, ViewAction, ViewName,
};

/// An amount of the deployment's one currency.
#[derive(ToSchema)]
pub struct Money {
    /// A decimal number with two decimals.
    #[schema(pattern = r"^-?\d+\.\d{2}$", example = "12.34")]
    pub amount: String,
}

/// An amount of the deployment's one currency, as callers write it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoneyInput {
    /// 0 or more, with at most two decimals, and at most 10000000000000. A JSON number of the same
    /// value is read as well; text is safe in every language.
    #[schema(
        pattern = r"^0*(\d{1,13}(\.\d{1,2})?|10000000000000(\.00?)?)$",
        example = "12.34"
    )]
    pub amount: String,
}

/// One line of an order.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct OrderLine {
    /// What identifies the article (SKU): any text.
    #[schema(min_length = 1, max_length = 200, example = "981760")]
    pub sku: String,
    /// What the article is called.
    #[schema(min_length = 1, max_length = 200, example = "YOGURT")]
    pub name: String,
    /// How many pieces.
    #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
    pub quantity: i64,
    /// 0 or more.
    pub unit_price: Money,
}

/// One line of an order that is to be created.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct NewOrderLine {
    /// What identifies the article (SKU): any text.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00]*[^\s\x00\x85][^\x00]*$",
        example = "981760"
    )]
    pub sku: String,
    /// What the article is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00]*[^\s\x00\x85][^\x00]*$",
        example = "YOGURT"
    )]
    pub name: String,
    /// How many pieces.
    #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
    pub quantity: i64,
    /// The price of one piece, 0 or more.
    pub unit_price: MoneyInput,
}

/// A customer that is to be created.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct NewCustomer {
    /// What the customer is called; two may have the same name.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00]*[^\s\x00\x85][^\x00]*$",
        example = "Ada Park"
    )]
    pub name: String,
    /// The most that the customer's orders may reserve together. An approved order keeps its
    /// reservation, shipped or not, until it is cancelled.
    pub credit_limit: MoneyInput,
}

/// What a customer's credit limit should have been.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct LimitCorrection {
    /// What it should have been. What was decided under the old one stands.
    pub credit_limit: MoneyInput,
    /// It is kept with what was done.
    #[schema(
        required = false,
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\x00]*[^\s\x85][^\x00]*$",
        example = "A zero too many"
    )]
    pub reason: Option<String>,
}

/// A total, lines, or both: then the total must be the sum of quantity × unit price.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// The customer who orders, and whose credit the total is reserved from.
    pub customer_id: Uuid,
    /// Above 0.
    #[schema(required = false)]
    pub order_total: Option<MoneyInput>,
    /// The lines; without them the total is all that is known of the order.
    #[schema(required = false, min_items = 1, max_items = 500)]
    pub lines: Option<Vec<NewOrderLine>>,
    /// A text that stays with the order.
    #[schema(
        required = false,
        max_length = 2000,
        pattern = r"^[^\x00]*$",
        example = "Leave it at the door"
    )]
    pub note: Option<String>,
}

/// Why an operator acts. It is kept with what was done.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorReason {
    /// Why the operator acts; may be left out.
    #[schema(
        required = false,
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\x00]*[^\s\x85][^\x00]*$",
        example = "The customer has called"
    )]
    pub reason: Option<String>,
}

/// An action on all sagas that a filter finds.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct SagaBulk {
    /// What is done to each.
    pub action: SagaAction,
    /// Which sagas are meant. Without it all that are `STUCK`; a cancel needs it.
    #[schema(required = false)]
    pub filter: Option<SagaBulkFilter>,
    /// Only tells what would be meant.
    #[schema(required = false)]
    pub dry_run: Option<bool>,
    /// It is kept with what was done.
    #[schema(
        required = false,
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\x00]*[^\s\x85][^\x00]*$",
        example = "The customer answers again"
    )]
    pub reason: Option<String>,
    /// Acts on at most this many; to go on, send the answer's `next` as `cursor`.
    #[schema(required = false, minimum = 1, maximum = 500, default = 100)]
    pub limit: Option<u32>,
    /// The `next` of the answer before.
    #[schema(required = false, pattern = "^[A-Za-z0-9_-]+$")]
    pub cursor: Option<String>,
}

/// Which sagas are meant. A cancel needs one of these at least, and means those that are `RUNNING`
/// unless it says otherwise; the others mean those that are `STUCK`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct SagaBulkFilter {
    /// Of this type.
    #[schema(rename = "type", required = false)]
    pub kind: Option<SagaType>,
    /// In this state.
    #[schema(required = false)]
    pub state: Option<SagaState>,
    /// Begun longer ago than this.
    #[schema(required = false, pattern = r"^\d{1,9}(ms|s|m|h)$", example = "10m")]
    pub older_than: Option<String>,
    /// That work on this order.
    #[schema(required = false)]
    pub entity: Option<Uuid>,
    /// With this text in the reason for which they compensate, or in the detail of a step.
    #[schema(
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = r"[^\s\x85]"
    )]
    pub cause: Option<String>,
}

/// Another body for a parked message.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageEdit {
    /// It must be readable as a message of its type.
    #[schema(value_type = Object)]
    pub body: serde_json::Value,
    /// It is kept with what was done.
    #[schema(
        required = false,
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\x00]*[^\s\x85][^\x00]*$",
        example = "The customer answers again"
    )]
    pub reason: Option<String>,
}

/// An action on all parked messages that a filter finds.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct ParkedBulk {
    /// What is done to each.
    pub action: ParkedAction,
    /// Which messages are meant. Without it all; a discard needs it.
    #[schema(required = false)]
    pub filter: Option<ParkedBulkFilter>,
    /// Only tells what would be meant.
    #[schema(required = false)]
    pub dry_run: Option<bool>,
    /// It is kept with what was done.
    #[schema(
        required = false,
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\x00]*[^\s\x85][^\x00]*$",
        example = "The customer answers again"
    )]
    pub reason: Option<String>,
    /// Acts on at most this many; to go on, send the answer's `next` as `cursor`.
    #[schema(required = false, minimum = 1, maximum = 500, default = 100)]
    pub limit: Option<u32>,
    /// The `next` of the answer before.
    #[schema(required = false, pattern = "^[A-Za-z0-9_-]+$")]
    pub cursor: Option<String>,
}

/// An action on all entities in the quarantine of views that a filter finds.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct InViewsBulk {
    /// What is done to each.
    pub action: ViewAction,
    /// Which entities are meant; all without it.
    #[schema(required = false)]
    pub filter: Option<InViewsBulkFilter>,
    /// Only tells what would be meant.
    #[schema(required = false)]
    pub dry_run: Option<bool>,
    /// It is kept with what was done.
    #[schema(
        required = false,
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\x00]*[^\s\x85][^\x00]*$",
        example = "The event can be read again"
    )]
    pub reason: Option<String>,
    /// Acts on at most this many; to go on, send the answer's `next` as `cursor`.
    #[schema(required = false, minimum = 1, maximum = 500, default = 100)]
    pub limit: Option<u32>,
    /// The `next` of the answer before.
    #[schema(required = false, pattern = "^[A-Za-z0-9_-]+$")]
    pub cursor: Option<String>,
}

/// Which entities in the quarantine of views are meant; all, without any of these.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct InViewsBulkFilter {
    /// In this view; in all, without it.
    #[schema(required = false)]
    pub view: Option<ViewName>,
    /// Of this service.
    #[schema(required = false)]
    pub service: Option<Service>,
    /// This customer or order.
    #[schema(required = false)]
    pub entity: Option<Uuid>,
    /// With this text in their cause.
    #[schema(
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = r"[^\s\x85]"
    )]
    pub cause: Option<String>,
    /// In quarantine for longer than this.
    #[schema(required = false, pattern = r"^\d{1,9}(ms|s|m|h)$", example = "10m")]
    pub older_than: Option<String>,
}

/// Which parked messages are meant. To discard some, one of these is needed at least.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct ParkedBulkFilter {
    /// Parked by this service.
    #[schema(required = false)]
    pub service: Option<Service>,
    /// That address this customer or saga.
    #[schema(required = false)]
    pub entity: Option<Uuid>,
    /// Of this wire name, for example `customer.reserve-credit`.
    #[schema(
        rename = "type",
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = r"[^\s\x85]"
    )]
    pub message_type: Option<String>,
    /// With this text in their cause.
    #[schema(
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = r"[^\s\x85]"
    )]
    pub cause: Option<String>,
    /// Parked longer ago than this.
    #[schema(required = false, pattern = r"^\d{1,9}(ms|s|m|h)$", example = "10m")]
    pub older_than: Option<String>,
}
