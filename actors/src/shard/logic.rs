//! What a service does in a shard. The shard around it is the same for all services: it reads
//! messages in order, commits units, parks what fails and reloads; the logic knows the entities.

use domain::saga::SagaPolicy;
use domain::{SagaId, ShardId, Timestamp};
use metrics::Counter;
use store::faults::Faults;
use store::sagas::StoredTimer;
use store::{Message, ServiceDatabase, StoreError};

use crate::request::Request;
use crate::step::{SagaTimer, Step, StepError, Turn};

/// What a logic works with.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub shard: ShardId,
    /// Of every service.
    pub shards: u16,
    pub database: ServiceDatabase,
    pub policy: SagaPolicy,
    pub faults: Faults,
    /// So many actors of one kind may stay in memory.
    pub actors_per_shard: usize,
    pub activated: Counter,
}

/// The entities of one service in one shard.
///
/// Work is done in three passes: say what is wanted in memory for all that has gathered (`want_…`),
/// load what is lacking in one read ([`load`](Logic::load)), then do one piece after the other.
pub(crate) trait Logic: 'static {
    fn want_for_request(&mut self, request: &Request);
    fn want_for_message(&mut self, message: &Message, first_attempt: bool);
    fn want_for_timer(&mut self, _saga: SagaId) {}

    /// Brings into memory what is wanted.
    async fn load(&mut self) -> Result<(), StoreError>;

    async fn message(&mut self, message: &Message, turn: Turn) -> Result<Step, StepError>;
    async fn request(&mut self, request: &mut Request, turn: Turn) -> Result<Step, StepError>;
    /// The timer of a saga is due, which was set for this time.
    async fn timer(
        &mut self,
        saga: SagaId,
        set_for: Timestamp,
        turn: Turn,
    ) -> Result<Step, StepError>;

    /// A timer that was read from its row, with the bound that the policy sets.
    fn timer_of(&self, stored: &StoredTimer) -> SagaTimer;

    /// The step's unit has this ticket: its entities stay in memory until that is durable.
    fn took_part(&mut self, step: &Step, ticket: u64);

    /// Drops the actors that a piece of work asks, so that they are loaded anew.
    fn drop_actors_of(&mut self, message: &Message);
    fn drop_actors_of_request(&mut self, request: &Request);
    fn drop_actors_of_saga(&mut self, saga: SagaId);

    /// Drops everything that is in memory.
    fn forget(&mut self);

    /// The turn is over: drops what was read for it alone.
    fn end_turn(&mut self);

    /// Puts out of memory what is not needed, where no unit is in flight.
    fn passivate(&mut self, durable: u64);

    /// How many actors are in memory.
    fn live(&self) -> usize;
}
