//! The command side: the gateway to the actors behind a trait, so that routes can be tested without
//! any.

use actors::{
    CommandError, CustomerAnswer, Follow, Gateway, NewCustomer, NewOrder, Operator, OrderAccepted,
    OrderAnswer, ParkedAction, RequestBinding, SagaAction, SagaAnswer,
};
use domain::{CustomerId, MessageId, Money, OrderId, SagaId};
use futures_util::future::LocalBoxFuture;

/// A command under way. When this future is dropped, the command may or may not happen.
pub type CommandFuture<'a, T> = LocalBoxFuture<'a, Result<T, CommandError>>;

/// Carries out commands; see [`Gateway`], whose methods these are.
pub trait Commands: Send + Sync {
    /// Creates a customer.
    fn create_customer(
        &self,
        request: NewCustomer,
        binding: Option<RequestBinding>,
    ) -> CommandFuture<'_, CustomerAnswer>;

    /// An operator puts a customer's credit limit right.
    fn correct_credit_limit(
        &self,
        customer: CustomerId,
        limit: Money,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> CommandFuture<'_, CustomerAnswer>;

    /// Creates an order, and begins its saga.
    fn create_order(
        &self,
        request: NewOrder,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> CommandFuture<'_, OrderAccepted>;

    /// Cancels an order, and begins its saga; joins one that does so already.
    fn cancel_order(
        &self,
        order: OrderId,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> CommandFuture<'_, OrderAccepted>;

    /// Ships an order.
    fn ship_order(
        &self,
        order: OrderId,
        binding: Option<RequestBinding>,
    ) -> CommandFuture<'_, OrderAnswer>;

    /// An operator does something about a saga.
    fn operate_saga(
        &self,
        saga: SagaId,
        action: SagaAction,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> CommandFuture<'_, SagaAnswer>;

    /// An operator does something about a parked message.
    fn operate_parked(
        &self,
        parked: MessageId,
        action: ParkedAction,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> CommandFuture<'_, ()>;
}

impl Commands for Gateway {
    fn create_customer(
        &self,
        request: NewCustomer,
        binding: Option<RequestBinding>,
    ) -> CommandFuture<'_, CustomerAnswer> {
        Box::pin(Gateway::create_customer(self, request, binding))
    }

    fn correct_credit_limit(
        &self,
        customer: CustomerId,
        limit: Money,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> CommandFuture<'_, CustomerAnswer> {
        Box::pin(Gateway::correct_credit_limit(
            self, customer, limit, by, binding,
        ))
    }

    fn create_order(
        &self,
        request: NewOrder,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> CommandFuture<'_, OrderAccepted> {
        Box::pin(Gateway::create_order(self, request, binding, follow))
    }

    fn cancel_order(
        &self,
        order: OrderId,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> CommandFuture<'_, OrderAccepted> {
        Box::pin(Gateway::cancel_order(self, order, binding, follow))
    }

    fn ship_order(
        &self,
        order: OrderId,
        binding: Option<RequestBinding>,
    ) -> CommandFuture<'_, OrderAnswer> {
        Box::pin(Gateway::ship_order(self, order, binding))
    }

    fn operate_saga(
        &self,
        saga: SagaId,
        action: SagaAction,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> CommandFuture<'_, SagaAnswer> {
        Box::pin(Gateway::operate_saga(self, saga, action, by, binding))
    }

    fn operate_parked(
        &self,
        parked: MessageId,
        action: ParkedAction,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> CommandFuture<'_, ()> {
        Box::pin(Gateway::operate_parked(self, parked, action, by, binding))
    }
}
