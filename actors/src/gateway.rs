//! The gateway: what the API calls to have commands carried out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::sagas::{Fingerprint, RequestKey};
use domain::{
    CustomerId, MessageId, Money, OrderId, OrderLine, OrderState, RejectionReason, SagaId, Service,
    ShardId,
};
use store::{Journal, ServiceDatabase};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::request::{Answer, Command, Request};

/// A command is answered so soon after it was sent, whatever a store does.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// A store that has not answered for so long is not waited for.
const STANDS_STILL_AFTER: Duration = Duration::from_secs(3);

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
    /// Whether a request under the same `Idempotency-Key` has had the effect before.
    pub repeated: bool,
    /// Every entity the command, or its ended saga, has changed.
    pub seen: Vec<Seen>,
}

/// Whether whoever sends a command wants to be told of the end of its saga, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    Nothing,
    Saga,
}

/// A command on an order that was carried out, durably, and the end of its saga for whoever follows
/// it. Waiting for that end is no work: nothing but a place on a waiting list is held.
#[derive(Debug)]
pub struct Accepted {
    pub answer: OrderAnswer,
    /// Absent when nobody wants to follow.
    end: Option<SagaEnd>,
}

/// The end of a saga, to be waited for; dropping it gives the place on the waiting list back.
#[derive(Debug)]
struct SagaEnd {
    ended: oneshot::Receiver<OrderAnswer>,
    release: watch::Receiver<bool>,
}

impl From<OrderAnswer> for Accepted {
    fn from(answer: OrderAnswer) -> Self {
        Accepted { answer, end: None }
    }
}

impl Accepted {
    /// A command whose saga goes on: `ended` tells of its end, and `release` lets go of whoever
    /// waits for that.
    #[must_use]
    pub fn followed(
        answer: OrderAnswer,
        ended: oneshot::Receiver<OrderAnswer>,
        release: watch::Receiver<bool>,
    ) -> Self {
        let end = Some(SagaEnd { ended, release });
        Accepted { answer, end }
    }

    /// The order after its saga; or with the state so far, when there is nothing to wait for, the
    /// wait is over, or the node shuts down.
    pub async fn ended_within(self, wait: Duration) -> OrderAnswer {
        let Accepted { answer, end } = self;
        let Some(SagaEnd { ended, mut release }) = end else {
            return answer;
        };

        tokio::select! {
            biased;
            // An error says that there is no saga to wait for.
            ended = ended => ended.unwrap_or(answer),
            () = tokio::time::sleep(wait) => answer,
            _ = release.wait_for(|release| *release) => answer,
        }
    }
}

/// The answer to a command on a saga.
#[derive(Clone, Debug)]
pub struct SagaAnswer {
    pub saga_id: SagaId,
    pub order_id: OrderId,
    /// The saga's state by name, and its version.
    pub state: domain::saga::SagaState,
    pub version: u64,
    /// The order, as far as the command has seen or changed it.
    pub seen: Seen,
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
    /// The store does not answer, or the node is shutting down. The command may or may not have
    /// happened.
    #[error("the store does not answer")]
    Unavailable,
    /// The command fails each time it is tried.
    #[error("the command failed")]
    Failed,
}

/// Sends commands to the shards. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway {
    shards: u16,
    senders: Arc<HashMap<ShardId, mpsc::Sender<Request>>>,
    databases: Arc<[ServiceDatabase]>,
    journals: Arc<[Journal]>,
    release: watch::Receiver<bool>,
}

impl Gateway {
    pub(crate) fn new(
        shards: u16,
        senders: HashMap<ShardId, mpsc::Sender<Request>>,
        databases: Vec<ServiceDatabase>,
        journals: Vec<Journal>,
        release: watch::Receiver<bool>,
    ) -> Self {
        Gateway {
            shards,
            senders: Arc::new(senders),
            databases: databases.into(),
            journals: journals.into(),
            release,
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
        let id = CustomerId(new_id(binding));

        let shard = ShardId::of(domain::CUSTOMERS, id.0, self.shards);
        match self
            .ask(shard, Command::CreateCustomer { id, request }, binding)
            .await?
        {
            Answer::Customer(answer) => Ok(answer),
            _ => Err(CommandError::Failed),
        }
    }

    /// Creates an order. Answers as soon as that is durable; the end of its saga is waited for with
    /// [`Accepted::ended_within`].
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn create_order(
        &self,
        request: NewOrder,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> Result<Accepted, CommandError> {
        let id = OrderId(new_id(binding));
        self.order_command(id, Command::CreateOrder { id, request }, binding, follow)
            .await
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
    ) -> Result<Accepted, CommandError> {
        self.order_command(order, Command::CancelOrder(order), binding, follow)
            .await
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
        let command = Command::ShipOrder(order);
        let accepted = self.order_command(order, command, binding, Follow::Nothing);
        accepted.await.map(|accepted| accepted.answer)
    }

    /// Has a stuck saga try again.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn retry_saga(
        &self,
        saga: SagaId,
        binding: Option<RequestBinding>,
    ) -> Result<SagaAnswer, CommandError> {
        self.saga_command(saga, Command::RetrySaga(saga), binding)
            .await
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
        self.saga_command(saga, Command::CancelSaga { id: saga, reason }, binding)
            .await
    }

    /// Has a quarantined message, and those parked behind it, tried again.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn replay_quarantined(&self, parked: MessageId) -> Result<(), CommandError> {
        let shard = self.shard_of_parked(parked).await?;
        self.ask(shard, Command::Replay(parked), None)
            .await
            .map(drop)
    }

    /// Drops a quarantined message; those parked behind it are tried.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn discard_quarantined(&self, parked: MessageId) -> Result<(), CommandError> {
        let shard = self.shard_of_parked(parked).await?;
        self.ask(shard, Command::Discard(parked), None)
            .await
            .map(drop)
    }

    async fn order_command(
        &self,
        id: OrderId,
        command: Command,
        binding: Option<RequestBinding>,
        follow: Follow,
    ) -> Result<Accepted, CommandError> {
        let shard = ShardId::of(domain::ORDERS, id.0, self.shards);

        let (tell, ended) = match follow {
            Follow::Saga => {
                let (tell, ended) = oneshot::channel();
                (Some(tell), Some(ended))
            }
            Follow::Nothing => (None, None),
        };

        let received = self.send(shard, command, binding, tell)?;
        let Answer::Order(answer) = answered(received).await? else {
            return Err(CommandError::Failed);
        };

        Ok(match ended {
            Some(ended) => Accepted::followed(answer, ended, self.release.clone()),
            None => answer.into(),
        })
    }

    async fn saga_command(
        &self,
        saga: SagaId,
        command: Command,
        binding: Option<RequestBinding>,
    ) -> Result<SagaAnswer, CommandError> {
        // A saga lives in the shard of its order. Whoever knows its id has seen it committed.
        let database = self.database(domain::ORDERS)?;
        let mut found = read(store::sagas::load(database, &[saga])).await?;

        let order = match found.remove(&saga) {
            None => return Err(CommandError::NotFound("saga")),
            Some(Ok(stored)) => stored.saga.order_id,
            Some(Err(error)) => {
                tracing::error!(error = %error.chain(), "a command on a saga fails");
                return Err(CommandError::Failed);
            }
        };

        let shard = ShardId::of(domain::ORDERS, order.0, self.shards);
        match self.ask(shard, command, binding).await? {
            Answer::Saga(answer) => Ok(answer),
            _ => Err(CommandError::Failed),
        }
    }

    async fn shard_of_parked(&self, id: MessageId) -> Result<ShardId, CommandError> {
        for database in self.databases.iter() {
            if let Some(shard) = read(store::parking::shard_of(database, id)).await? {
                return Ok(shard);
            }
        }
        Err(CommandError::NotFound("quarantined message"))
    }

    fn database(&self, service: Service) -> Result<&ServiceDatabase, CommandError> {
        self.databases
            .iter()
            .find(|database| database.service == service)
            .ok_or(CommandError::Unavailable)
    }

    /// Whether the store of a service has not answered for a while. Nothing would come of waiting
    /// for it; a write that fails now and then is done again.
    fn stands_still(&self, service: Service) -> bool {
        let journal = self
            .journals
            .iter()
            .find(|journal| journal.service() == service);
        let standing = journal.and_then(Journal::standing);
        standing.is_some_and(|standing| standing.since.elapsed() >= STANDS_STILL_AFTER)
    }

    async fn ask(
        &self,
        shard: ShardId,
        command: Command,
        binding: Option<RequestBinding>,
    ) -> Result<Answer, CommandError> {
        let received = self.send(shard, command, binding, None)?;
        answered(received).await
    }

    fn send(
        &self,
        shard: ShardId,
        command: Command,
        binding: Option<RequestBinding>,
        ended: Option<oneshot::Sender<OrderAnswer>>,
    ) -> Result<Received, CommandError> {
        if self.stands_still(shard.service) {
            return Err(CommandError::Unavailable);
        }

        let (answer, received) = oneshot::channel();
        let request = Request {
            command,
            binding,
            answer,
            ended,
        };

        let sender = self.senders.get(&shard).ok_or(CommandError::Unavailable)?;
        sender.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => CommandError::Unavailable,
        })?;

        Ok(received)
    }
}

type Received = oneshot::Receiver<Result<Answer, CommandError>>;

/// Waits for the answer, and not for ever: whatever a store does, the caller hears within seconds
/// that nobody knows.
async fn answered(received: Received) -> Result<Answer, CommandError> {
    match tokio::time::timeout(ANSWERS_WITHIN, received).await {
        Ok(Ok(answer)) => answer,
        // The sender is dropped when its shard ends with the node, or has panicked.
        Ok(Err(_)) => Err(CommandError::Unavailable),
        Err(_) => Err(CommandError::Unavailable),
    }
}

/// Reads what says whom to ask, within the same time.
async fn read<T>(
    reading: impl Future<Output = Result<T, store::StoreError>>,
) -> Result<T, CommandError> {
    match tokio::time::timeout(ANSWERS_WITHIN, reading).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => {
            tracing::warn!(error = %error.chain(), "the store does not answer");
            Err(CommandError::Unavailable)
        }
        Err(_) => Err(CommandError::Unavailable),
    }
}

/// The id of what a creating request makes: it follows from the key, or is new.
fn new_id(binding: Option<RequestBinding>) -> Uuid {
    binding.map_or_else(Uuid::now_v7, |binding| binding.key.as_uuid())
}
