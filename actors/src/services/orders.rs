//! Orders, and the sagas that work on them.

use domain::choreography::{self, ORDERS_HEAR};
use domain::messages::{CustomerReply, OrderNotice, OrderRequest};
use domain::order::{OrderCreated, Refusal};
use domain::saga::{CANCEL_ORDER, CREATE_ORDER, LocalStep, OrderSaga, id_of};
use domain::{
    Coordination, CustomerId, Money, Order, OrderEvent, OrderId, OrderLine, OrderState,
    RejectionReason, Timestamp,
};
use sagas::countermeasures::RereadValue;
use sagas::wire::names::Names;
use sagas::{Definition, Handler, NoReply, Reason, Service};
use serde::{Deserialize, Serialize};
use store::loading::Found;
use store::mapping::{Memory, Stored};
use store::row_changes::{Journaled, RowChange};
use store::services::orders;
use store::{ServiceDatabase, StoreError};
use uuid::Uuid;

use crate::entity::{Decision, Entity, Head, LocalRefusal, Notice, Overdue, Seen, StepOf};

/// A valid request for a new order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewOrder {
    /// Whose credit the order needs.
    pub customer_id: CustomerId,
    /// The sum of the lines, or the given total.
    pub total: Money,
    /// Empty when the order has a total alone.
    pub lines: Vec<OrderLine>,
    /// What the caller wants to be kept with it.
    pub note: Option<String>,
}

/// What callers ask of an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderCommand {
    /// Creates it, and has its credit reserved in this way.
    Create(NewOrder, Coordination),
    /// Cancels an approved one, and has its credit released in this way.
    Cancel(Coordination),
    /// Ships an approved one.
    Ship,
}

impl Entity for Order {
    const SERVICE: Service = domain::ORDERS;
    const KIND: &'static str = "order";
    const BEGINS_WITH: Option<&'static str> = Some(CREATE_ORDER.name);
    const SAGAS: &'static [&'static Definition<OrderSaga>] = &[&CREATE_ORDER, &CANCEL_ORDER];
    const HANDLERS: &'static [Handler<OrderRequest>] = &ORDERS_HEAR;
    const SNAPSHOT_FORM: u16 = domain::order::SNAPSHOT_FORM;
    const NOTICES: Names = OrderNotice::WIRE_NAMES;

    type Command = OrderCommand;
    type Event = OrderEvent;
    type Request = OrderRequest;
    type Reply = NoReply;
    type Part = ();
    type Saga = OrderSaga;

    fn head(&self) -> Head {
        Head {
            id: self.id.0,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn fold(before: Option<Self>, id: Uuid, event: &Self::Event, at: Timestamp) -> Option<Self> {
        Order::folded(before, OrderId(id), event, at)
    }

    fn decide(entity: Option<&Self>, _: Uuid, command: OrderCommand) -> Decision<Self> {
        match (entity, command) {
            (None, OrderCommand::Create(new, coordination)) => {
                Decision::Happens(OrderEvent::Created(OrderCreated {
                    customer_id: new.customer_id,
                    order_total: new.total,
                    lines: new.lines,
                    note: new.note,
                    coordination,
                }))
            }
            (Some(_), OrderCommand::Create(..)) => {
                Decision::Refused("the order exists already".to_owned())
            }
            (None, OrderCommand::Cancel(_) | OrderCommand::Ship) => Decision::NotFound,
            (Some(order), OrderCommand::Cancel(coordination)) => cancel(order, coordination),
            (Some(order), OrderCommand::Ship) => ship(order),
        }
    }

    fn begins(&self, event: &Self::Event) -> Option<(&'static Definition<OrderSaga>, OrderSaga)> {
        let definition = match event {
            OrderEvent::Created(_) => &CREATE_ORDER,
            OrderEvent::CancelRequested(_) => &CANCEL_ORDER,
            _ => return None,
        };
        // Its customer reacts to the event itself.
        let reacts = self.waits_in_choreography();
        (!reacts).then(|| (definition, OrderSaga::of(self)))
    }

    fn begun_with(&self) -> Option<&'static str> {
        Self::BEGINS_WITH.filter(|_| !self.choreography.created)
    }

    fn is_settled(&self) -> bool {
        !self.waits_in_choreography()
    }

    fn deadline(&self) -> Option<Uuid> {
        let waits = self.waits_in_choreography();
        waits.then_some(self.customer_id.0)
    }

    fn overdue(&self) -> Option<Overdue<Self>> {
        Some(match self.overdue()? {
            choreography::Overdue::GivenUp(event) => Overdue::Happens(event),
            choreography::Overdue::AskedAgain(notice) => Overdue::Tells(Notice::of(&notice)),
        })
    }

    fn seen(&self) -> Vec<Seen> {
        let seen = |version| seen_customer(self.customer_id, version);
        self.choreography
            .customer_version
            .map(seen)
            .into_iter()
            .collect()
    }

    fn waits_for(command: &Self::Command) -> Option<Uuid> {
        match command {
            OrderCommand::Create(new, _) => Some(new.customer_id.0),
            OrderCommand::Cancel(_) | OrderCommand::Ship => None,
        }
    }

    fn react(
        entity: Option<&Self>,
        request: &OrderRequest,
        _: Option<&()>,
    ) -> (Option<OrderEvent>, NoReply) {
        (entity.and_then(|order| order.heard(request)), NoReply {})
    }

    fn step(
        entity: Option<&Self>,
        step: LocalStep,
        StepOf { data, reason }: StepOf<'_, OrderSaga>,
    ) -> Result<OrderEvent, LocalRefusal> {
        let changed = |detail: &'static str| LocalRefusal {
            reason: Reason::TIMED_OUT,
            detail: detail.into(),
        };
        let order = entity.ok_or_else(|| changed("there is no such order"))?;
        let reread = RereadValue {
            expected_version: data.order_version,
        };

        let decided = match step {
            LocalStep::ApproveOrder => order.approve(reread, data.customer_name.clone()),
            LocalStep::RejectOrder => {
                order.reject(RejectionReason::of(reason), data.customer_name.clone())
            }
            LocalStep::BeginCancel => order.request_cancel(),
            LocalStep::ConfirmCancel => order.confirm_cancel(reread),
            LocalStep::UndoCancel => order.undo_cancel(),
            LocalStep::CreateOrder => Err(Refusal::NotIn(order.state)),
        };
        decided.map_err(|_| changed("the order has changed"))
    }

    fn seen_by(saga: &OrderSaga) -> Vec<Seen> {
        let seen = |version| seen_customer(saga.customer_id, version);
        saga.customer_version.map(seen).into_iter().collect()
    }

    async fn load(
        database: &ServiceDatabase,
        ids: &[Uuid],
    ) -> Result<Found<Uuid, Stored<Self>>, StoreError> {
        orders::load(database, ids).await
    }

    async fn memories(
        database: &ServiceDatabase,
        ids: &[Uuid],
    ) -> Result<Found<Uuid, Memory>, StoreError> {
        orders::memories(database, ids).await
    }

    fn inserted(stored: &Stored<Self>, event: &Self::Event) -> Result<RowChange, StoreError> {
        let created = match event {
            OrderEvent::Created(created) => Some(created),
            _ => None,
        };
        Ok(orders::to_row(stored, created)?.insert())
    }

    fn updated(stored: &Stored<Self>, expected_version: u64) -> Result<RowChange, StoreError> {
        Ok(orders::to_row(stored, None)?.update(expected_version))
    }

    fn label(&self) -> Option<&str> {
        self.customer_name.as_deref()
    }

    fn label_of(command: &Self::Command) -> Option<&str> {
        match command {
            OrderCommand::Create(new, _) => new.note.as_deref(),
            OrderCommand::Cancel(_) | OrderCommand::Ship => None,
        }
    }

    fn label_of_reply(reply: &CustomerReply) -> Option<&str> {
        reply.answer().map(|answer| answer.customer_name.as_str())
    }
}

fn seen_customer(customer: CustomerId, version: u64) -> Seen {
    Seen {
        service: domain::CUSTOMERS,
        entity: customer.0,
        version,
    }
}

fn cancel(order: &Order, coordination: Coordination) -> Decision<Order> {
    let requested = match coordination {
        Coordination::Orchestration => order.request_cancel(),
        Coordination::Choreography => order.announce_cancel(),
    };
    let is_cancel = matches!(
        order.state,
        OrderState::CancelPending | OrderState::Cancelled
    );

    match requested {
        Ok(event) => Decision::Happens(event),
        Err(_) if is_cancel && order.choreography.cancel => Decision::Done(None),
        Err(_) if order.state == OrderState::CancelPending => {
            Decision::Joins(id_of(&CANCEL_ORDER, order.id, order.version))
        }
        // The saga began one version before its last word.
        Err(_) if order.state == OrderState::Cancelled => {
            let begun_at = order.version.saturating_sub(1);
            Decision::Done(Some(id_of(&CANCEL_ORDER, order.id, begun_at)))
        }
        Err(refusal) => Decision::Refused(conflict(order, refusal, "cancelled")),
    }
}

fn ship(order: &Order) -> Decision<Order> {
    match order.ship() {
        Ok(event) => Decision::Happens(event),
        Err(_) if order.state == OrderState::Shipped => Decision::Done(None),
        Err(refusal) => Decision::Refused(conflict(order, refusal, "shipped")),
    }
}

fn conflict(order: &Order, refusal: Refusal, done: &str) -> String {
    let state = order.state.name();
    match refusal {
        Refusal::Locked(_) if order.waits_in_choreography() => format!(
            "the order is {state}: its customer has still to answer; only an APPROVED order can be \
            {done}"
        ),
        Refusal::Locked(lock) => format!(
            "the order is {state}: its saga {} is at work; only an APPROVED order can be {done}",
            lock.held_by
        ),
        Refusal::NotIn(_) | Refusal::Changed => {
            format!("the order is {state}; only an APPROVED order can be {done}")
        }
    }
}
