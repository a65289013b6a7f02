//! Headers and query parameters as the OpenAPI document shows them. They are read by hand,
//! strictly: see `http::params`.

use utoipa::IntoParams;
use uuid::Uuid;

use super::{OrderSort, OrderState, SagaState, SagaType, Service, Time, ViewName};
use crate::ports::BuildFrom;

/// What binds a command to its effect.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct KeyHeader {
    /// 1 to 255 visible ASCII characters: a repeat with the same key has the same effect once.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]{1,255}$"
    )]
    pub idempotency_key: Option<String>,
}

/// How long a command waits.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct WaitHeader {
    /// `wait=SECONDS` waits for the end of the saga.
    #[param(rename = "Prefer", required = false, example = "wait=10")]
    pub prefer: Option<String>,
}

/// How new an answer must be, and how long its view is waited for.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct ReadHeaders {
    /// Those of earlier answers, joined by `,`: the answer never shows less than they did.
    #[param(
        rename = "Consistency-Token",
        required = false,
        pattern = "^[A-Za-z0-9_-]*([ \\t]*,[ \\t]*[A-Za-z0-9_-]*)*$"
    )]
    pub consistency_token: Option<String>,
    /// `wait=SECONDS` bounds the wait for the view; `handling=lenient` answers with what there is
    /// when it is over.
    #[param(
        rename = "Prefer",
        required = false,
        example = "wait=5, handling=lenient"
    )]
    pub prefer: Option<String>,
}

/// Which part of a list is shown.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// How many at most.
    #[param(required = false, minimum = 1, maximum = 200, default = 20)]
    pub limit: Option<u32>,
    /// The `next` of the part before.
    #[param(required = false, pattern = "^[A-Za-z0-9_-]+$")]
    pub cursor: Option<String>,
}

/// Which part of a history is shown.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryParams {
    /// How many events at most.
    #[param(required = false, minimum = 1, maximum = 1000, default = 1000)]
    pub limit: Option<u32>,
    /// The `next` of the part before.
    #[param(required = false, pattern = "^[A-Za-z0-9_-]+$")]
    pub cursor: Option<String>,
}

/// Which point in the past is shown.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct AsOfParams {
    /// Shows the state after this many events.
    #[param(required = false)]
    pub as_of_version: Option<u64>,
    /// Shows the state at this time.
    #[param(required = false)]
    pub as_of: Option<Time>,
}

/// Which customers are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct CustomerParams {
    /// Created after this time.
    #[param(required = false)]
    pub since: Option<Time>,
    /// All its words occur in the name, whatever their case and accents.
    #[param(
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = r"[^\s\x85]"
    )]
    pub name: Option<String>,
    /// Has an order of at least this total, for example `100.00`.
    #[param(
        required = false,
        pattern = r"^0*(\d{1,13}(\.\d{1,2})?|10000000000000(\.00?)?)$"
    )]
    pub min_order_total: Option<String>,
    /// Has an order in this state; with `minOrderTotal` it is one order that has both.
    #[param(required = false)]
    pub order_state: Option<OrderState>,
}

/// Which of a customer's orders are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StateParam {
    /// Only orders in this state.
    #[param(required = false)]
    pub state: Option<OrderState>,
}

/// Which orders are found.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct OrderParams {
    /// Words that must all occur in line names, skus, the note or the customer's name; `word*` is a
    /// prefix (at most ten of them), quotes make a phrase. Case, accents and plural do not matter.
    #[param(
        required = false,
        min_length = 1,
        max_length = 1000,
        pattern = r"[^\s\x85]"
    )]
    pub text: Option<String>,
    /// In this state.
    #[param(required = false)]
    pub state: Option<OrderState>,
    /// Of this customer.
    #[param(required = false)]
    pub customer_id: Option<Uuid>,
    /// With at least this total, for example `10.00`.
    #[param(
        required = false,
        pattern = r"^0*(\d{1,13}(\.\d{1,2})?|10000000000000(\.00?)?)$"
    )]
    pub min_total: Option<String>,
    /// With at most this total.
    #[param(
        required = false,
        pattern = r"^0*(\d{1,13}(\.\d{1,2})?|10000000000000(\.00?)?)$"
    )]
    pub max_total: Option<String>,
    /// Created at this time or later.
    #[param(required = false)]
    pub since: Option<Time>,
    /// Created at this time or before.
    #[param(required = false)]
    pub until: Option<Time>,
    /// `relevance` is the default with a text, `newest` without.
    #[param(required = false)]
    pub sort: Option<OrderSort>,
}

/// Which sagas are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct SagaParams {
    /// Of this type.
    #[param(required = false, rename = "type")]
    pub kind: Option<SagaType>,
    /// In this state.
    #[param(required = false)]
    pub state: Option<SagaState>,
    /// Begun longer ago than this: a whole number of `ms`, `s`, `m` or `h`, of at most nine digits.
    #[param(required = false, pattern = r"^\d{1,9}(ms|s|m|h)$", example = "10m")]
    pub older_than: Option<String>,
    /// That work on this order.
    #[param(required = false)]
    pub entity: Option<Uuid>,
    /// With this text in the reason for which they compensate, or in the detail of a step, whatever
    /// its case.
    #[param(
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = r"[^\s\x85]",
        example = "TIMED_OUT"
    )]
    pub cause: Option<String>,
}

/// Which parked messages are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ParkedParams {
    /// Of this service.
    #[param(required = false)]
    pub service: Option<Service>,
    /// That address this customer or saga.
    #[param(required = false)]
    pub entity: Option<Uuid>,
    /// Of this type.
    #[param(
        required = false,
        rename = "type",
        min_length = 1,
        max_length = 200,
        pattern = r"[^\s\x85]",
        example = "customer.reserve-credit"
    )]
    pub message_type: Option<String>,
    /// With this text in their cause, whatever its case; `{id}` stands for any id.
    #[param(
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = r"[^\s\x85]"
    )]
    pub cause: Option<String>,
    /// Parked longer ago than this: a whole number of `ms`, `s`, `m` or `h`, of at most nine
    /// digits.
    #[param(required = false, pattern = r"^\d{1,9}(ms|s|m|h)$", example = "10m")]
    pub older_than: Option<String>,
}

/// Which entities in the quarantine of views are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct InViewsParams {
    /// In this view.
    #[param(required = false)]
    pub view: Option<ViewName>,
    /// Of this service.
    #[param(required = false)]
    pub service: Option<Service>,
    /// This customer or order.
    #[param(required = false)]
    pub entity: Option<Uuid>,
    /// With this text in their cause, whatever its case; `{id}` stands for any id.
    #[param(
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = r"[^\s\x85]"
    )]
    pub cause: Option<String>,
    /// In quarantine for longer than this: a whole number of `ms`, `s`, `m` or `h`, of at most nine
    /// digits.
    #[param(required = false, pattern = r"^\d{1,9}(ms|s|m|h)$", example = "10m")]
    pub older_than: Option<String>,
}

/// Which actions of operators are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActionParams {
    /// Of this saga or parked message, or concerning this customer or order.
    #[param(required = false)]
    pub about: Option<Uuid>,
    /// Done with this view.
    #[param(required = false)]
    pub view: Option<ViewName>,
}

/// Why an operator acts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReasonParam {
    /// It is kept with what was done.
    #[param(
        required = false,
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\x00]*[^\s\x85][^\x00]*$",
        example = "The customer was merged"
    )]
    pub reason: Option<String>,
}

/// What a generation is built from.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RebuildParams {
    /// `history` is the default.
    #[param(required = false, inline)]
    pub from: Option<BuildFrom>,
}
