//! Requests: commands that came over the API, and how they are answered.

use domain::{CustomerId, MessageId, OrderId, SagaId};
use tokio::sync::oneshot;

use crate::gateway::{
    CommandError, CustomerAnswer, NewCustomer, NewOrder, OrderAnswer, RequestBinding, SagaAnswer,
};

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Command {
    CreateCustomer {
        id: CustomerId,
        request: NewCustomer,
    },
    CreateOrder {
        id: OrderId,
        request: NewOrder,
    },
    CancelOrder(OrderId),
    ShipOrder(OrderId),
    RetrySaga(SagaId),
    CancelSaga {
        id: SagaId,
        reason: Option<String>,
    },
    Replay(MessageId),
    Discard(MessageId),
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Customer(CustomerAnswer),
    Order(OrderAnswer),
    Saga(SagaAnswer),
    Done,
}

/// A command and whom to answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub command: Command,
    pub binding: Option<RequestBinding>,
    pub answer: oneshot::Sender<Result<Answer, CommandError>>,
    /// Told when the saga that the command begins, or joins, has ended. Taken out when it is put on
    /// the waiting list.
    pub ended: Option<oneshot::Sender<OrderAnswer>>,
}

impl Request {
    /// Whether whoever asked has gone, so that nothing need be done any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    /// Answers. Whoever asked may have gone; the effect stands all the same.
    pub(crate) fn answer(self, answer: Result<Answer, CommandError>) {
        let _ = self.answer.send(answer);
    }
}
