//! The double carries out commands: it notes each, and answers as the test has said.

use super::*;

impl Commands for Double {
    fn create_customer(
        &self,
        request: NewCustomer,
        key: Option<RequestBinding>,
    ) -> CommandFuture<'_, CustomerAnswer> {
        put(&self.customer, request);
        self.command(
            key,
            Answered {
                entity: a_customer(),
                saga_id: None,
                saga_ended: false,
                repeated: false,
                seen: vec![Seen {
                    service: domain::CUSTOMERS,
                    entity: id(),
                    version: 1,
                }],
            },
        )
    }

    fn create_order(
        &self,
        request: NewOrder,
        key: Option<RequestBinding>,
        follow: Follow,
    ) -> CommandFuture<'_, OrderAccepted> {
        put(&self.order, request);
        self.order_command(OrderId(id()), key, follow)
    }

    fn cancel_order(
        &self,
        order: OrderId,
        key: Option<RequestBinding>,
        follow: Follow,
    ) -> CommandFuture<'_, OrderAccepted> {
        self.order_command(order, key, follow)
    }

    fn ship_order(
        &self,
        order: OrderId,
        key: Option<RequestBinding>,
    ) -> CommandFuture<'_, OrderAnswer> {
        let accepted = self.order_command(order, key, Follow::Nothing);
        Box::pin(async { accepted.await.map(|accepted| accepted.answer) })
    }

    fn retry_saga(
        &self,
        saga: SagaId,
        key: Option<RequestBinding>,
    ) -> CommandFuture<'_, SagaAnswer> {
        let state = SagaState::Compensating;
        self.command(
            key,
            SagaAnswer {
                saga_id: saga,
                entity: id(),
                state,
                version: 4,
                seen: Seen {
                    service: domain::ORDERS,
                    entity: id(),
                    version: 2,
                },
            },
        )
    }

    fn cancel_saga(
        &self,
        saga: SagaId,
        reason: Option<String>,
        key: Option<RequestBinding>,
    ) -> CommandFuture<'_, SagaAnswer> {
        *self.reason.lock().unwrap() = reason;
        self.retry_saga(saga, key)
    }

    fn replay_quarantined(&self, _: MessageId) -> CommandFuture<'_, ()> {
        self.command(None, ())
    }

    fn discard_quarantined(&self, _: MessageId) -> CommandFuture<'_, ()> {
        self.command(None, ())
    }
}
