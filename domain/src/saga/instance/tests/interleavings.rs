//! Whatever is delayed, repeated or stopped, and in whatever order: when a saga has ended, the
//! customer holds exactly what the order's state says, and earlier attempts change nothing of it.
//!
//! How it is tested: a saga, the order and the customer it works on, each deciding as it does in
//! production, and two queues between them, which keep their order and are otherwise as slow as
//! chance wants. Another order takes the customer's credit and gives it back in between.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::countermeasures::RereadValue;
use crate::customer::{Customer, CustomerCreated, CustomerEvent};
use crate::order::Refusal;

const OTHER: OrderId = OrderId(Uuid::from_u128(3));

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Next {
    CommandArrives,
    ReplyArrives,
    /// A reply that has arrived before arrives once more.
    ReplyAgain(usize),
    Wake,
    OldWake,
    Stop,
    Retry,
    OtherOrderReserves,
    OtherOrderReleases,
}

fn next() -> impl Strategy<Value = Next> {
    prop_oneof![
        4 => Just(Next::CommandArrives),
        4 => Just(Next::ReplyArrives),
        1 => (0usize..16).prop_map(Next::ReplyAgain),
        2 => Just(Next::Wake),
        1 => Just(Next::OldWake),
        1 => Just(Next::Stop),
        1 => Just(Next::Retry),
        2 => Just(Next::OtherOrderReserves),
        2 => Just(Next::OtherOrderReleases),
    ]
}

struct World {
    saga: Saga,
    order: Order,
    customer: Customer,
    reservations: BTreeMap<OrderId, Money>,
    to_customer: VecDeque<(CustomerCommand, Attempt)>,
    to_saga: VecDeque<(CustomerReply, Attempt)>,
    arrived: Vec<(CustomerReply, Attempt)>,
    first_wake: Timestamp,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        let order = pending();
        let created = CustomerCreated {
            name: "Ada Park".into(),
            credit_limit: order.total,
        };
        let customer = Customer::created(order.customer_id, &created, at(1));
        let (saga, effects) = Saga::begin(SagaKind::CreateOrder, &order, &policy(), at(10));

        let mut world = World {
            first_wake: saga.deadline,
            saga,
            order,
            customer,
            reservations: BTreeMap::new(),
            to_customer: VecDeque::new(),
            to_saga: VecDeque::new(),
            arrived: Vec::new(),
            now: at(20),
        };
        world.carry_out(effects);
        world
    }

    /// The approved order is to be cancelled. What is still on its way stays there.
    fn begin_cancel(&mut self) {
        let event = self.order.request_cancel().unwrap();
        self.order.apply(&event, self.now);
        let (saga, effects) = Saga::begin(SagaKind::CancelOrder, &self.order, &policy(), self.now);
        self.first_wake = saga.deadline;
        self.saga = saga;
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { command, attempt } => self.to_customer.push_back((command, attempt)),
                Effect::Local(step) => {
                    let event = self.local(step).unwrap();
                    self.order.apply(&event, self.now);
                }
            }
        }
    }

    fn local(&self, step: LocalStep) -> Result<OrderEvent, Refusal> {
        let reread = RereadValue {
            expected_version: self.saga.order_version,
        };
        match step {
            LocalStep::ApproveOrder => self.order.approve(reread, None),
            LocalStep::RejectOrder => self.order.reject(RejectionReason::TimedOut, None),
            LocalStep::ConfirmCancel => self.order.confirm_cancel(reread),
            LocalStep::UndoCancel => self.order.undo_cancel(),
            LocalStep::CreateOrder | LocalStep::BeginCancel => unreachable!("a saga's first step"),
        }
    }

    fn happens(&mut self, next: Next) {
        self.now = self.now.after(Duration::from_millis(100));
        let (policy, now) = (policy(), self.now);

        let effects = match next {
            Next::CommandArrives => {
                self.command_arrives();
                Vec::new()
            }
            Next::ReplyArrives => match self.to_saga.pop_front() {
                Some(reply) => {
                    self.arrived.push(reply.clone());
                    self.reply(&reply)
                }
                None => Vec::new(),
            },
            Next::ReplyAgain(index) => match self.arrived.get(index).cloned() {
                Some(reply) => self.reply(&reply),
                None => Vec::new(),
            },
            Next::Wake => wake(&mut self.saga, now),
            Next::OldWake => self.saga.woken(self.first_wake, &policy, now),
            Next::Stop => self.saga.cancelled(None, &policy, now),
            Next::Retry => self.saga.retried(&policy, now),
            Next::OtherOrderReserves => {
                self.reserve(OTHER, self.order.total);
                Vec::new()
            }
            Next::OtherOrderReleases => {
                self.release(OTHER);
                Vec::new()
            }
        };

        self.carry_out(effects);
    }

    fn reply(&mut self, (reply, attempt): &(CustomerReply, Attempt)) -> Vec<Effect> {
        // The inbox brings a message to the saga it is for.
        if attempt.saga == self.saga.id {
            self.saga.replied(reply, Some(attempt), &policy(), self.now)
        } else {
            Vec::new()
        }
    }

    fn command_arrives(&mut self) {
        let Some((command, attempt)) = self.to_customer.pop_front() else {
            return;
        };

        let request = command.request();
        let granted = match &command {
            CustomerCommand::ReleaseCredit(_) => {
                self.release(request.order_id);
                true
            }
            _ => self.reserve(request.order_id, request.amount),
        };

        let reply = match (&command, granted) {
            (CustomerCommand::ReleaseCredit(_), _) => released(),
            (_, true) => reserved(),
            (_, false) => exceeded(),
        };
        self.to_saga.push_back((reply, attempt));
    }

    fn reserve(&mut self, order: OrderId, amount: Money) -> bool {
        let existing = self.reservations.get(&order).copied();
        match self.customer.reserve(order, amount, existing) {
            Err(_) => false,
            Ok(None) => true,
            Ok(Some(event)) => {
                self.apply(event);
                self.reservations.insert(order, amount);
                true
            }
        }
    }

    fn release(&mut self, order: OrderId) {
        let existing = self.reservations.remove(&order);
        if let Some(event) = self.customer.release(order, existing) {
            self.apply(event);
        }
    }

    fn apply(&mut self, event: CustomerEvent) {
        self.customer.apply(&event, self.now);
    }

    /// Everything goes well from now on.
    fn come_to_the_end(&mut self) {
        while !self.saga.state.has_ended() {
            let next = if !self.to_customer.is_empty() {
                Next::CommandArrives
            } else if !self.to_saga.is_empty() {
                Next::ReplyArrives
            } else if self.saga.state == SagaState::Stuck {
                Next::Retry
            } else {
                Next::Wake
            };
            self.happens(next);
        }
    }

    /// When a saga has ended, nothing of it is on its way to the customer any more.
    fn check(&mut self) -> Result<(), TestCaseError> {
        if !self.saga.state.has_ended() {
            return Ok(());
        }

        for _ in 0..=self.to_customer.len() {
            let held = self.reservations.contains_key(&self.order.id);
            let approved = self.order.state == crate::OrderState::Approved;
            prop_assert_eq!(held, approved, "{:?} {:?}", self.order.state, self.saga);
            self.command_arrives();
        }

        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_a_saga_leaves_behind_is_settled_whatever_earlier_attempts_still_do(
        creating in proptest::collection::vec(next(), 0..40),
        cancelling in proptest::collection::vec(next(), 0..60),
    ) {
        let mut world = World::new();

        for next in creating {
            world.happens(next);
            world.check()?;
        }
        world.come_to_the_end();
        world.check()?;

        if world.order.state == crate::OrderState::Approved {
            world.begin_cancel();
            for next in cancelling {
                world.happens(next);
                world.check()?;
            }
            world.come_to_the_end();
            world.check()?;
        }
    }
}
