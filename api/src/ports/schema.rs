//! Values of the domain as the OpenAPI document shows them: the domain does not know of OpenAPI,
//! and the ports' answers go to the wire as they stand.

use domain::saga;
use sagas::timeline;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! names_of {
    ($($(#[$doc:meta])* $name:ident = $all:expr;)+) => {$(
        $(#[$doc])*
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some($all)).into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

names_of! {
    /// The states of an order.
    OrderState = domain::OrderState::ALL.map(domain::OrderState::name);
    /// Why an order is rejected.
    RejectionReason = domain::RejectionReason::ALL.map(domain::RejectionReason::name);
    /// The types of sagas.
    SagaType = saga::TYPES;
    /// The states of a saga.
    SagaState = saga::SagaState::ALL.map(saga::SagaState::name);
    /// What operators do to sagas.
    SagaAction = actors::SagaAction::ALL.map(actors::SagaAction::name);
    /// What operators do to many parked messages.
    ParkedAction = ["replay", "discard"];
    /// The views.
    ViewName = super::VIEWS;
    /// What operators do to many entities in the quarantine of views.
    ViewAction = [super::ViewAction::Heal.name()];
    /// The services.
    Service = domain::SERVICES.map(domain::Service::name);
    /// What an attempt of a saga's step has come to.
    AttemptOutcome = timeline::AttemptOutcome::ALL.map(timeline::AttemptOutcome::name);
    /// The states of a saga's step.
    StepState = ["REMAINING", "RUNNING", "DONE", "COMPENSATED", "FAILED"];
    /// The orders of a list of orders.
    OrderSort = super::OrderSort::ALL.map(super::OrderSort::name);
}

/// An RFC 3339 time in UTC.
pub struct Time;

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(format))
            .into()
    }
}

impl ToSchema for Time {}
