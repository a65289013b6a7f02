//! The gateway: what the API calls to have commands carried out.

use std::time::Duration;

use domain::ids::{Fingerprint, RequestKey};
use domain::{CustomerId, Money, OrderId, OrderLine, OrderState, RejectionReason, SagaId};
use uuid::Uuid;

/// An `Idempotency-Key` within its method and path, and the value of the request it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBinding {
    pub key: RequestKey,
    pub fingerprint: Fingerprint,
}

/// A valid request for a new customer.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    pub name: String,
    pub credit_limit: Money,
}

/// A valid request for a new order.
#[derive(Clone, Debug)]
pub struct NewOrder {
    pub customer_id: CustomerId,
    pub total: Money,
    pub lines: Vec<OrderLine>,
    pub note: Option<String>,
}

/// The version of an entity that a caller has seen; consistency tokens are made of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub service: domain::Service,
    pub entity: Uuid,
    pub version: u64,
}

#[derive(Clone, Debug)]
pub struct CustomerAnswer {
    pub customer_id: CustomerId,
    pub version: u64,
}

/// The answer to a command on an order.
#[derive(Clone, Debug)]
pub struct OrderAnswer {
    pub order_id: OrderId,
    pub state: OrderState,
    pub rejection_reason: Option<RejectionReason>,
    pub version: u64,
    pub saga_id: Option<SagaId>,
    /// Whether the saga this command began, or joined, has ended.
    pub saga_ended: bool,
    /// Every entity the command, or its ended saga, has changed.
    pub seen: Vec<Seen>,
}

/// The answer to a command on a saga.
#[derive(Clone, Debug)]
pub struct SagaAnswer {
    pub saga_id: SagaId,
    pub order_id: OrderId,
    /// The saga's state by name, and its version.
    pub state: domain::saga::SagaState,
    pub version: u64,
}

/// Why a command is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The entity's state does not allow it; the text says which state and what is allowed.
    #[error("{0}")]
    Conflict(String),
    /// The same `Idempotency-Key` came before with another request.
    #[error("this Idempotency-Key was used with another request")]
    KeyReused,
    /// Too much work is waiting.
    #[error("too much work is waiting")]
    Overloaded,
    /// The store does not answer, or the node is shutting down. The command may or may not have happened.
    #[error("the store does not answer")]
    Unavailable,
    /// The command fails each time it is tried.
    #[error("the command failed")]
    Failed,
}

/// Sends commands to the shards. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway {}

impl Gateway {
    /// Creates a customer.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn create_customer(
        &self,
        request: NewCustomer,
        binding: Option<RequestBinding>,
    ) -> Result<CustomerAnswer, CommandError> {
        let _ = (request, binding);
        unimplemented!()
    }

    /// Creates an order. With `wait` the answer comes when the saga has ended, or with the state so far when the wait
    /// is over or the node shuts down.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn create_order(
        &self,
        request: NewOrder,
        binding: Option<RequestBinding>,
        wait: Option<Duration>,
    ) -> Result<OrderAnswer, CommandError> {
        let _ = (request, binding, wait);
        unimplemented!()
    }

    /// Cancels an order; `wait` as above.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn cancel_order(
        &self,
        order: OrderId,
        binding: Option<RequestBinding>,
        wait: Option<Duration>,
    ) -> Result<OrderAnswer, CommandError> {
        let _ = (order, binding, wait);
        unimplemented!()
    }

    /// Ships an order.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn ship_order(
        &self,
        order: OrderId,
        binding: Option<RequestBinding>,
    ) -> Result<OrderAnswer, CommandError> {
        let _ = (order, binding);
        unimplemented!()
    }

    /// Has a stuck saga try again.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn retry_saga(&self, saga: SagaId, binding: Option<RequestBinding>) -> Result<SagaAnswer, CommandError> {
        let _ = (saga, binding);
        unimplemented!()
    }

    /// Stops a saga, so that it compensates.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn cancel_saga(
        &self,
        saga: SagaId,
        reason: Option<String>,
        binding: Option<RequestBinding>,
    ) -> Result<SagaAnswer, CommandError> {
        let _ = (saga, reason, binding);
        unimplemented!()
    }

    /// Has a quarantined message, and those parked behind it, tried again.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn replay_quarantined(&self, parked: Uuid) -> Result<(), CommandError> {
        let _ = parked;
        unimplemented!()
    }

    /// Drops a quarantined message; those parked behind it are tried.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn discard_quarantined(&self, parked: Uuid) -> Result<(), CommandError> {
        let _ = parked;
        unimplemented!()
    }
}
