//! The shop's gateway: the API sends commands through it.

mod parked;

use domain::{Coordination, Customer, CustomerId, MessageId, Money, Order, OrderId, SagaId};
use sagas::RequestKey;
use store::bulk::BulkRequest;

use super::customers::{CustomerRequest, LimitCorrection};
use super::orders::OrderCommand;
use crate::entity::Answered;
use crate::error::CommandError;
use crate::node::{CannotRun, Node, NodeConfig, NodeParts};
use crate::noting::{NotedOutcome, Noting};
use crate::operator::{Operator, ParkedAction, SagaAction};
use crate::request::{RequestBinding, SagaAnswer};
use crate::requests::{Accepted, Doors, Follow, Requests};

pub use super::customers::NewCustomer;
pub use super::orders::NewOrder;

/// The answer to a command on a customer.
pub type CustomerAnswer = Answered<Customer>;
/// The answer to a command on an order.
pub type OrderAnswer = Answered<Order>;

/// A command on an order that was carried out, and the end of its saga.
pub type OrderAccepted = Accepted<Order>;

/// Starts a node that runs the shop's services, or reaches those at other nodes that it has no
/// journal of, and gives the gateway to them.
///
/// Must be called where an actix system runs.
///
/// # Errors
/// When the node has no database of one of them.
pub fn start(config: &NodeConfig, parts: &NodeParts) -> Result<(Node, Gateway), CannotRun> {
    let mut node = Node::builder(config, parts);
    let (customers, orders) = (node.run_or_reach()?, node.run_or_reach()?);
    let node = node.start();

    let gateway = Gateway {
        customers,
        orders,
        doors: node.doors(),
        coordination: Coordination::default(),
    };
    Ok((node, gateway))
}

/// Sends commands to the shop's services. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway {
    customers: Requests<Customer>,
    orders: Requests<Order>,
    doors: Doors,
    coordination: Coordination,
}

impl Gateway {
    /// The gateway, by which what begins is coordinated in this way. What is under way goes on as
    /// it began.
    #[must_use]
    pub fn coordinated_by(self, coordination: Coordination) -> Self {
        Gateway {
            coordination,
            ..self
        }
    }

    /// Creates a customer.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn create_customer(
        &self,
        request: NewCustomer,
        binding: Option<RequestBinding>,
    ) -> Result<CustomerAnswer, CommandError> {
        let customers = &self.customers;
        let command = CustomerRequest::Create(request);
        let accepted = customers.create(command, binding, Follow::Nothing).await?;
        accepted.answered().await
    }

    /// An operator puts a customer's credit limit right.
    ///
    /// # Errors
    /// See [`CommandError`]; [`CommandError::Conflict`] when open orders hold more.
    pub async fn correct_credit_limit(
        &self,
        customer: CustomerId,
        limit: Money,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> Result<CustomerAnswer, CommandError> {
        let customers = &self.customers;
        let command = CustomerRequest::CorrectLimit(LimitCorrection {
            correct_limit: limit,
            by,
        });
        let accepted = customers.ask(customer.0, command, binding, Follow::Nothing);
        accepted.await?.answered().await
    }

    /// Creates an order. Answers as soon as that is durable; whoever follows its saga gets to wait
    /// for that, or for the end, at once: [`Accepted::answered`], [`Accepted::ended_within`].
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn create_order(
        &self,
        request: NewOrder,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> Result<OrderAccepted, CommandError> {
        let command = OrderCommand::Create(request, self.coordination);
        self.orders.create(command, binding, follow).await
    }

    /// Cancels an order; answers as above.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn cancel_order(
        &self,
        order: OrderId,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> Result<OrderAccepted, CommandError> {
        let command = OrderCommand::Cancel(self.coordination);
        self.orders.ask(order.0, command, binding, follow).await
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
        let orders = &self.orders;
        let command = OrderCommand::Ship;
        let accepted = orders.ask(order.0, command, binding, Follow::Nothing);
        accepted.await?.answered().await
    }

    /// An operator does something about a saga.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn operate_saga(
        &self,
        saga: SagaId,
        action: SagaAction,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> Result<SagaAnswer, CommandError> {
        let orders = &self.orders;
        orders.operate_saga(saga, action, by, binding).await
    }

    /// Keeps what an operator's request about many things has found (JSON), and then what has
    /// become of it, in the database of the orders.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn keep_bulk(
        &self,
        binding: RequestBinding,
        found: String,
        outcome: Option<String>,
    ) -> Result<(), CommandError> {
        self.orders.keep_bulk(binding, found, outcome).await
    }

    /// Keeps what an operator does to something that no shard owns, a view for example, in the
    /// database of the orders. Gives what the request has come to, if that is known.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn note(
        &self,
        binding: RequestBinding,
        noting: Noting,
    ) -> Result<Option<NotedOutcome>, CommandError> {
        self.orders.note(binding, noting).await
    }

    /// The request about many things with this key.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn bulk(&self, key: RequestKey) -> Result<Option<BulkRequest>, CommandError> {
        self.orders.bulk(key).await
    }

    /// An operator does something about a parked message.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn operate_parked(
        &self,
        parked: MessageId,
        action: ParkedAction,
        by: Operator,
        binding: Option<RequestBinding>,
    ) -> Result<(), CommandError> {
        self.check_parked(parked, &action, binding).await?;
        let doors = &self.doors;
        doors.operate_parked(parked, action, by, binding).await
    }
}
