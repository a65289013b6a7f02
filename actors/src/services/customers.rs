//! The customers service, which keeps their credit.

use domain::choreography::CUSTOMERS_HEAR;
use domain::customer::{CustomerCreated, LimitBelowReserved};
use domain::messages::{
    CustomerAnswer, CustomerCommand, CustomerNotice, CustomerReply, NoCustomer,
};
use domain::{Customer, CustomerEvent, CustomerId, Money, OrderId, Timestamp};
use sagas::wire::names::Names;
use sagas::{Handler, NoSaga, SagaId, Service};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::loading::Found;
use store::mapping::{Memory, Stored};
use store::row_changes::{Journaled, RowChange};
use store::services::customers;
use store::services::customers::tables::reservation;
use store::{ServiceDatabase, StoreError};
use uuid::Uuid;

use crate::entity::{Decision, Done, Entity, Head, Notice, PartNeeded};
use crate::operator::Operator;

/// A valid request for a new customer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewCustomer {
    /// The customer's name.
    pub name: String,
    /// The most that its open orders may reserve together.
    pub credit_limit: Money,
}

/// What callers ask of a customer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CustomerRequest {
    /// A new one.
    Create(NewCustomer),
    /// An operator puts a wrong credit limit right.
    CorrectLimit(LimitCorrection),
}

/// A valid request to put a credit limit right.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitCorrection {
    /// What it should have been.
    pub correct_limit: Money,
    /// Who says so, and why.
    pub by: Operator,
}

impl Entity for Customer {
    const SERVICE: Service = domain::CUSTOMERS;
    const KIND: &'static str = "customer";
    const HANDLERS: &'static [Handler<CustomerCommand>] = &CUSTOMERS_HEAR;
    const SNAPSHOT_FORM: u16 = domain::customer::SNAPSHOT_FORM;
    const NOTICES: Names = CustomerNotice::WIRE_NAMES;

    type Command = CustomerRequest;
    type Event = CustomerEvent;
    type Request = CustomerCommand;
    type Reply = CustomerReply;
    /// What an order has reserved, by the order's id.
    type Part = Money;
    type Saga = NoSaga;

    fn head(&self) -> Head {
        Head {
            id: self.id.0,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn fold(before: Option<Self>, id: Uuid, event: &Self::Event, at: Timestamp) -> Option<Self> {
        Customer::folded(before, CustomerId(id), event, at)
    }

    fn decide(entity: Option<&Self>, _: Uuid, command: CustomerRequest) -> Decision<Self> {
        match (entity, command) {
            (None, CustomerRequest::Create(new)) => {
                Decision::Happens(CustomerEvent::Created(CustomerCreated {
                    name: new.name,
                    credit_limit: new.credit_limit,
                }))
            }
            (Some(_), CustomerRequest::Create(_)) => {
                Decision::Refused("the customer exists already".to_owned())
            }
            (None, CustomerRequest::CorrectLimit(_)) => Decision::NotFound,
            (Some(customer), CustomerRequest::CorrectLimit(correction)) => {
                match customer.correct_limit(correction.correct_limit) {
                    Ok(Some(event)) => Decision::Happens(event),
                    Ok(None) => Decision::Done(None),
                    Err(LimitBelowReserved) => Decision::Refused(format!(
                        "its open orders hold {}, more than {} allows; cancel some first",
                        customer.reserved, correction.correct_limit
                    )),
                }
            }
        }
    }

    fn done_by_operator(&self, command: &CustomerRequest) -> Option<Done> {
        let CustomerRequest::CorrectLimit(correction) = command else {
            return None;
        };
        Some(Done {
            action: "customer.credit-limit-corrected",
            by: correction.by.clone(),
            detail: json!({ "before": self.credit_limit, "after": correction.correct_limit }),
        })
    }

    fn react(
        entity: Option<&Self>,
        request: &Self::Request,
        reserved: Option<&Money>,
    ) -> (Option<CustomerEvent>, CustomerReply) {
        let Some(customer) = entity else {
            return (None, CustomerReply::CustomerNotFound(NoCustomer {}));
        };

        let (order, amount) = (request.request().order_id, request.request().amount);
        let reserved = reserved.copied();
        let (event, reply): (_, fn(CustomerAnswer) -> CustomerReply) = match request {
            CustomerCommand::ReserveCredit(_) | CustomerCommand::RestoreCredit(_) => {
                match customer.reserve(order, amount, reserved) {
                    Ok(event) => (event, CustomerReply::CreditReserved),
                    Err(_) => (None, CustomerReply::CreditLimitExceeded),
                }
            }
            CustomerCommand::ReleaseCredit(_) => (
                customer.release(order, reserved),
                CustomerReply::CreditReleased,
            ),
        };

        let told = CustomerAnswer {
            customer_name: customer.name.clone(),
            // The customer after this event.
            customer_version: customer.version + u64::from(event.is_some()),
        };
        let event = event.map(|event| match request.request().announced {
            true => event.telling(told.clone()),
            false => event,
        });
        (event, reply(told))
    }

    fn notice(request: &Self::Request, reply: &Self::Reply) -> Option<Notice> {
        let announced = request.request().announced;
        announced.then(|| Notice::of(&CustomerNotice::of(request, reply)))
    }

    /// In a choreography the release of an order that was given up is told once, by its rejection.
    fn is_asked_again(request: &Self::Request) -> bool {
        let is_release = matches!(request, CustomerCommand::ReleaseCredit(_));
        !(is_release && request.request().announced)
    }

    /// In a choreography an order that waits for its release asks for it at each of its deadlines,
    /// and nothing else is asked for it in between.
    fn is_reminder(request: &Self::Request) -> bool {
        matches!(request, CustomerCommand::ReleaseCredit(_)) && request.request().announced
    }

    fn asks_the_same(before: &Self::Request, after: &Self::Request) -> bool {
        let (one, other) = (before.request(), after.request());
        before.wire_name() == after.wire_name()
            && one.order_id == other.order_id
            && one.amount == other.amount
            && one.announced == other.announced
            && one.saga_id == other.saga_id
    }

    fn asked_by(request: &Self::Request) -> Option<SagaId> {
        request.request().saga_id
    }

    fn part_of(request: &Self::Request) -> Option<PartNeeded> {
        Some(PartNeeded {
            key: request.request().order_id.0,
            is_new: matches!(request, CustomerCommand::ReserveCredit(_)),
        })
    }

    fn part_after(event: &Self::Event) -> Option<(Uuid, Option<Money>)> {
        match event {
            CustomerEvent::Created(_) | CustomerEvent::LimitCorrected(_) => None,
            CustomerEvent::CreditReserved(change) => Some((change.order_id.0, Some(change.amount))),
            CustomerEvent::CreditReleased(change) => Some((change.order_id.0, None)),
        }
    }

    async fn load_parts(
        database: &ServiceDatabase,
        orders: &[Uuid],
    ) -> Result<Found<Uuid, Money>, StoreError> {
        customers::load_reservations(database, orders).await
    }

    fn part_row(&self, order: Uuid, reserved: Option<&Money>) -> Option<RowChange> {
        Some(match reserved {
            Some(amount) => customers::reservation_row(self.id, OrderId(order), *amount).insert(),
            None => reservation::Model::delete(order),
        })
    }

    async fn load(
        database: &ServiceDatabase,
        ids: &[Uuid],
    ) -> Result<Found<Uuid, Stored<Self>>, StoreError> {
        customers::load(database, ids).await
    }

    async fn memories(
        database: &ServiceDatabase,
        ids: &[Uuid],
    ) -> Result<Found<Uuid, Memory>, StoreError> {
        customers::memories(database, ids).await
    }

    fn inserted(stored: &Stored<Self>, _: &Self::Event) -> Result<RowChange, StoreError> {
        Ok(customers::to_row(stored).insert())
    }

    fn updated(stored: &Stored<Self>, expected_version: u64) -> Result<RowChange, StoreError> {
        Ok(customers::to_row(stored).update(expected_version))
    }

    fn label(&self) -> Option<&str> {
        Some(&self.name)
    }
}
