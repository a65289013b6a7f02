//! The double carries out commands: it notes each, and answers as the test has said.

use super::*;

impl Bulk for Double {
    fn sagas(&self, asked: SagaBulk) -> BulkFuture<'_> {
        let outcome = bulk_outcome(asked.action.name(), asked.dry_run);
        let binding = asked.binding;
        put(&self.bulk, asked);
        let done = self.command(binding, outcome);
        Box::pin(async { Ok(done.await?) })
    }

    fn parked(&self, asked: ParkedBulk) -> BulkFuture<'_> {
        let outcome = bulk_outcome(asked.action.name(), asked.dry_run);
        let binding = asked.binding;
        put(&self.parked_bulk, asked);
        let done = self.command(binding, outcome);
        Box::pin(async { Ok(done.await?) })
    }

    fn in_views(&self, asked: InViewsBulk) -> BulkFuture<'_> {
        let outcome = bulk_outcome(asked.action.name(), asked.dry_run);
        let binding = asked.binding;
        put(&self.in_views_bulk, asked);
        let done = self.command(binding, outcome);
        Box::pin(async { Ok(done.await?) })
    }
}

fn bulk_outcome(action: &str, dry_run: bool) -> BulkOutcome {
    BulkOutcome {
        action: action.to_owned(),
        dry_run,
        matched: 2,
        done: 1,
        refused: 1,
        ids: vec![id()],
        refusals: vec![BulkRefusal {
            id: id(),
            detail: "it is RUNNING".to_owned(),
        }],
        next: Some("more".to_owned()),
    }
}

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
                end_told: false,
                seen: vec![Seen {
                    service: domain::CUSTOMERS,
                    entity: id(),
                    version: 1,
                }],
            },
        )
    }

    fn correct_credit_limit(
        &self,
        customer: CustomerId,
        limit: Money,
        by: Operator,
        key: Option<RequestBinding>,
    ) -> CommandFuture<'_, CustomerAnswer> {
        put(&self.operated, ("correct-limit", by));
        let entity = Customer {
            id: customer,
            credit_limit: limit,
            version: 2,
            ..a_customer()
        };
        self.command(
            key,
            Answered {
                entity,
                saga_id: None,
                saga_ended: false,
                repeated: false,
                end_told: false,
                seen: vec![Seen {
                    service: domain::CUSTOMERS,
                    entity: customer.0,
                    version: 2,
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
        Box::pin(async { accepted.await?.answered().await })
    }

    fn operate_saga(
        &self,
        saga: SagaId,
        action: SagaAction,
        by: Operator,
        key: Option<RequestBinding>,
    ) -> CommandFuture<'_, SagaAnswer> {
        put(&self.operated, (action.name(), by));
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

    fn operate_parked(
        &self,
        _: MessageId,
        action: ParkedAction,
        by: Operator,
        key: Option<RequestBinding>,
    ) -> CommandFuture<'_, ()> {
        put(&self.operated, (action.done(), by));
        self.command(key, ())
    }
}
