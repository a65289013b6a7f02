//! The entities of one service in one shard, and the sagas that work on them, which share a unit.
//!
//! Work takes three passes: say what all that has gathered needs in memory (`want_…`),
//! [load](Entities::load) what is lacking in one read, then do one piece after the other.

mod callers;
mod memory;
mod messages;
mod meters;
mod nested;
mod progress;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use metrics::Counter;
use sagas::nested::NestedCommand;
use sagas::wire::WireError;
use sagas::wire::names::is_among;
use sagas::{Incoming, MessageId, SagaId, SagaPolicy, ShardId, Timestamp, WireMessage};
use store::faults::Faults;
use store::timers::TimerChange;
use store::{Destination, Loading, Message, ServiceDatabase};
use uuid::Uuid;

pub(crate) use self::meters::SagaEnd;
use self::meters::SagaMeters;
use crate::directory::Directory;
use crate::entity::{self, AskEntity, Entity, EntityActor};
use crate::loading::Source;
use crate::request::{Command, Request};
use crate::saga::{self, AskSaga, SagaActor};
use crate::step::{Decided, StepError, Turn};
use crate::supervision::caught;

/// What the entities of a shard work with.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub shard: ShardId,
    /// Shards per service.
    pub shards: u16,
    pub database: ServiceDatabase,
    pub policy: SagaPolicy,
    pub faults: Faults,
    /// Where entities come from.
    pub loading: Loading,
    /// At most this many actors of one kind stay in memory.
    pub actors_per_shard: usize,
    pub activated: Counter,
}

impl Surroundings {
    /// Where the entities of the shard come from.
    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            database: &self.database,
            shard: self.shard,
            loading: self.loading,
        }
    }
}

/// The parts read for the work at hand, by key: nobody has looked for a key that is not in it. An
/// error says why the row cannot be read.
type Parts<E> = HashMap<Uuid, Result<Option<<E as Entity>::Part>, String>>;

/// The entities and sagas of one service in one shard.
pub(crate) struct Entities<E: Entity> {
    around: Surroundings,
    entities: Directory<Uuid, EntityActor<E>, Parts<E>>,
    sagas: Directory<SagaId, SagaActor<E::Saga>>,
    meters: SagaMeters,
    /// Which entity a saga in memory works on.
    entity_of: HashMap<SagaId, Uuid>,
    /// Sagas that have ended; they leave memory when that is durable.
    ended: Vec<SagaId>,
    /// The requests of this turn, which were read when it was looked for what they need.
    read: HashMap<MessageId, E::Request>,
    wanted: HashSet<Uuid>,
    wanted_sagas: HashSet<SagaId>,
    /// To be woken: sagas, or entities that wait by themselves.
    wanted_woken: Vec<Uuid>,
    /// Parts that the next read must bring, each with the entity that needs it.
    wanted_parts: HashSet<(Uuid, Uuid)>,
    /// Parts that cannot exist yet.
    new_parts: HashSet<(Uuid, Uuid)>,
    /// The entities whose parts are in memory.
    read_for: HashSet<Uuid>,
}

/// What a message means to the service that receives it.
#[derive(Clone, Copy)]
enum Role {
    /// A saga asks an entity.
    Request,
    /// Something has happened in another service.
    Event,
    /// A saga of this service begins, or is undone, as a step of another one.
    Nested,
    /// Somebody answers a saga of this service.
    Reply,
}

impl<E: Entity> Entities<E> {
    pub(crate) fn new(around: Surroundings) -> Self {
        Entities {
            entities: Directory::new(around.actors_per_shard),
            sagas: Directory::new(around.actors_per_shard),
            meters: SagaMeters::of(E::SAGAS),
            around,
            entity_of: HashMap::new(),
            ended: Vec::new(),
            read: HashMap::new(),
            wanted: HashSet::new(),
            wanted_sagas: HashSet::new(),
            wanted_woken: Vec::new(),
            wanted_parts: HashSet::new(),
            new_parts: HashSet::new(),
            read_for: HashSet::new(),
        }
    }

    /// Wants what a request needs.
    pub(crate) fn want_for_request(&mut self, request: &Request<E>) {
        match &request.question.command {
            // Its id is as new as the request: there is nothing to load.
            Command::Create { id, .. }
                if request.question.binding.is_none() && !request.may_be_done =>
            {
                if !self.entities.contains(*id) {
                    self.start(*id, None);
                }
            }
            // It may be a repeat. Few are, so the saga that the answer to a repeat tells of is read
            // when it is needed.
            Command::Create { id, .. } | Command::Entity { id, .. } | Command::FollowEntity(id) => {
                self.want(*id)
            }
            Command::Saga { id, .. } | Command::FollowSaga(id) => self.want_saga(*id),
            Command::Parked { .. } | Command::Bulk { .. } | Command::Note(_) => {}
        }
    }

    /// Wants what a message needs. One that cannot be read says so when its turn comes.
    pub(crate) fn want_for_message(&mut self, message: &Message, first_attempt: bool) {
        let id = message.entity;

        match role_of::<E>(message) {
            Role::Request => {
                self.want(id);
                let Ok(request) = read::<E::Request>(message) else {
                    return;
                };
                // A service that panics over it does so again when its turn comes.
                match caught(|| E::part_of(&request)).ok().flatten() {
                    Some(part) if part.is_new && first_attempt => {
                        self.new_parts.insert((id, part.key));
                    }
                    Some(part) => {
                        self.wanted_parts.insert((id, part.key));
                    }
                    None => {}
                }
                self.read.insert(message.id(), request);
            }
            // A handler has no state.
            Role::Event => {}
            Role::Reply => self.want_saga(SagaId(id)),
            Role::Nested => {
                self.want_saga(SagaId(id));
                if let Ok(NestedCommand::Begin(begin)) = read(message) {
                    self.want(begin.entity);
                }
            }
        }
    }

    /// Wants what waking a saga needs, or an entity that waits by itself. A timer does not say
    /// which: only where there is no such saga an entity is looked for.
    pub(crate) fn want_for_timer(&mut self, id: Uuid) {
        self.want_saga(SagaId(id));
        if !E::HANDLERS.is_empty() {
            self.wanted_woken.push(id);
        }
    }

    /// Does what a message asks.
    pub(crate) async fn message(&mut self, message: &Message, turn: Turn) -> Decided<E> {
        match role_of::<E>(message) {
            Role::Request => {
                let request = match self.read.remove(&message.id()) {
                    Some(request) => request,
                    None => read(message)?,
                };
                self.asked(message, request, turn).await
            }
            Role::Event => self.heard(message, turn),
            Role::Reply => self.replied(message, turn).await,
            Role::Nested => self.nested(message, read(message)?, turn).await,
        }
    }

    /// The timer of a saga, or of an entity that waits by itself, set for this time, is due.
    pub(crate) async fn timer(&mut self, id: Uuid, set_for: Timestamp, turn: Turn) -> Decided<E> {
        let saga = SagaId(id);
        if self.sagas.find(saga)?.is_none() {
            if !E::HANDLERS.is_empty() {
                return self.overdue(id, set_for, turn).await;
            }
            return Err(StepError::Impossible(format!("there is no saga {saga}")));
        }

        let told = self
            .ask_saga(saga, saga::Ask::Wake { set_for }, turn)
            .await?;

        // The saga goes by its own row. A timer that says something else, late or damaged as it may
        // be, is set as the saga wants it; one that it has no use for goes.
        let set_anew = match &told.outcome {
            saga::SagaOutcome::Untimely(wanted) => Some(TimerChange {
                set: wanted.set.filter(|set| set.wake_at != set_for),
                ..*wanted
            }),
            _ => None,
        };

        let (mut step, _) = self.carry_on(told, turn).await?;
        step.timer = step.timer.or(set_anew);
        Ok(step)
    }

    async fn ask(
        &mut self,
        id: Uuid,
        ask: entity::Ask<E>,
        turn: Turn,
    ) -> Result<entity::Told<E>, StepError> {
        let told = self.entities.address(id)?.send(AskEntity { ask, turn });
        told.await
            .map_err(|_| StepError::NoActor)?
            .map_err(StepError::from)
    }

    async fn ask_saga(
        &mut self,
        id: SagaId,
        ask: saga::Ask<E::Saga>,
        turn: Turn,
    ) -> Result<saga::Told<E::Saga>, StepError> {
        let now = turn.now;
        let told = self.sagas.address(id)?.send(AskSaga { ask, now });
        told.await
            .map_err(|_| StepError::NoActor)?
            .map_err(StepError::from)
    }
}

/// What a message is, by its name. An unknown name may be a reply of a later release.
fn role_of<E: Entity>(message: &Message) -> Role {
    let is_among = |names| is_among(&message.name, names);
    let is_event = || messages::hears::<E>(message);

    if message.destination == Destination::Events || is_event() {
        Role::Event
    } else if is_among(E::Request::WIRE_NAMES) {
        Role::Request
    } else if is_among(NestedCommand::WIRE_NAMES) {
        Role::Nested
    } else {
        Role::Reply
    }
}

/// Whether a message can be read, as what its name says.
pub(crate) fn check_readable<E: Entity>(message: &Message) -> Result<(), WireError> {
    match role_of::<E>(message) {
        Role::Request => read::<E::Request>(message).map(drop),
        Role::Event => messages::command_of::<E>(message).map(drop),
        Role::Nested => read::<NestedCommand>(message).map(drop),
        Role::Reply => {
            let (name, version) = (&message.name, message.type_version);
            Incoming::<E::Saga>::decode(name, version, message.body.get()).map(drop)
        }
    }
}

/// Whether somebody asks again for what a message asks, should it be discarded. Nobody knows of one
/// that cannot be read; whoever waits for what it would have brought about goes on by its deadline.
pub(crate) fn is_asked_again<E: Entity>(message: &Message) -> bool {
    let request = request_of::<E>(message).ok().flatten();
    request.is_none_or(|(_, request)| E::is_asked_again(&request))
}

/// Whether a message only asks again for what one in the same words has asked before.
pub(crate) fn is_reminder<E: Entity>(message: &Message) -> bool {
    let request = request_of::<E>(message).ok().flatten();
    request.is_some_and(|(_, request)| E::is_reminder(&request))
}

/// Whether a message with another body asks for the same. Nobody knows what one has asked for that
/// could not be read.
pub(crate) fn asks_the_same<E: Entity>(before: &Message, after: &Message) -> bool {
    match (request_of::<E>(before), request_of::<E>(after)) {
        (Ok(Some((one, before))), Ok(Some((other, after)))) => {
            one == other && E::asks_the_same(&before, &after)
        }
        (Ok(before), Ok(after)) => before.is_none() && after.is_none(),
        _ => true,
    }
}

/// What a message asks of an entity of the service, if it does: as a request, or by a handler.
pub(crate) fn request_of<E: Entity>(
    message: &Message,
) -> Result<Option<(Uuid, E::Request)>, WireError> {
    match role_of::<E>(message) {
        Role::Request => Ok(Some((message.entity, read(message)?))),
        Role::Event => messages::command_of::<E>(message),
        Role::Nested | Role::Reply => Ok(None),
    }
}

/// Whether a handler of the service may want an event.
pub(crate) fn hears<E: Entity>(event: &Message) -> bool {
    messages::hears::<E>(event)
}

/// Whether one of its handlers goes on with an event.
pub(crate) fn wants<E: Entity>(event: &Message) -> bool {
    messages::wants::<E>(event)
}

fn read<M: WireMessage>(message: &Message) -> Result<M, WireError> {
    M::decode(&message.name, message.type_version, message.body.get())
}
