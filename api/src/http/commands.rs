//! The one way of every command, whichever resource it belongs to: everything that changes
//! something comes in, is bounded and is carried out here.
//!
//! ```text
//! parameters ─ preferences ─ path ─ key ─ body ─► permit ─► value ─► binding ─► effect ─► answer
//! ```
//!
//! A handler supplies its own part as a [`Command`]: how to read its request, what to call, and how
//! to answer with the outcome. The ports that change something are private to this file, so no
//! handler reaches them any other way; what must hold of every command (who may do what, say) has
//! its one place in [`run`], and no handler can forget it.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actors::{Follow, Operator, OrderAccepted, OrderAnswer, RequestBinding, Work};
use serde::Serialize;
use uuid::Uuid;

use super::body;
use super::fields::{Errors, Fields};
use super::limits::{InFlight, Waiting};
use super::meter::{Meter, Meters};
use super::params::{Params, path_id};
use super::prefer::Prefer;
use super::{Api, Problem, conditional, idempotency};
use crate::config::Config;
use crate::ports::{self, CommandPorts, ViewOperations};

/// A command gets its answer within this time, apart from its caller's wait for the saga. It may
/// still be carried out later. The gateway gives up sooner by itself; this bound covers everything
/// that a command may call.
const ANSWER_WITHIN: Duration = Duration::from_secs(7);

/// What bounds commands, and what carries them out.
pub struct Gate {
    doors: Doors,
    in_flight: InFlight,
    /// Callers that follow a saga.
    waiting: Waiting,
    bodies: body::Limits,
}

/// The ports of everything that changes something. Only [`run`] has them, and hands them to the
/// command that it has let in.
pub struct Doors {
    commands: Arc<dyn ports::Commands>,
    bulk: Arc<dyn ports::Bulk>,
    views: Arc<dyn ViewOperations>,
}

impl Doors {
    /// Commands on customers, orders, sagas and parked messages.
    pub fn commands(&self) -> &dyn ports::Commands {
        &*self.commands
    }

    /// What operators do to many things at once.
    pub fn bulk(&self) -> &dyn ports::Bulk {
        &*self.bulk
    }

    /// What operators do with views.
    pub fn views(&self) -> &dyn ViewOperations {
        &*self.views
    }
}

impl Gate {
    /// Takes the bounds from the configuration.
    pub fn new(ports: CommandPorts, config: &Config) -> Self {
        let CommandPorts {
            commands,
            bulk,
            views,
        } = ports;
        Gate {
            doors: Doors {
                commands,
                bulk,
                views,
            },
            in_flight: InFlight::new(config.max_in_flight),
            waiting: Waiting::new(config.max_waiting),
            bodies: body::Limits::new(config.receive_timeout),
        }
    }

    /// How many commands the node works on.
    pub fn in_flight(&self) -> usize {
        self.in_flight.count()
    }

    /// How many callers follow a saga, including those whose command the node still works on.
    pub fn waiting(&self) -> usize {
        self.waiting.count()
    }
}

/// What a command takes as its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A JSON object of at most this many bytes.
    Object(usize),
    /// An object that may be left out.
    AtMostAnObject,
}

/// One command: its own part of the common way.
pub trait Command: Sized + 'static {
    const TAKES: Takes;

    /// The parameters of the query string that it knows.
    const PARAMS: &'static [&'static str] = &[];

    /// Its outcome, as its port tells it.
    type Effect;

    /// Its metrics.
    fn meter(meters: &Meters) -> &Meter;

    /// Reads and checks the request.
    ///
    /// # Errors
    /// All that is wrong with it.
    fn read(asked: &Asked<'_>, body: Fields<'_>) -> Result<Self, Problem>;

    /// The value of the request, to which an `Idempotency-Key` is bound.
    fn value(&self) -> impl Serialize;

    /// The entity whose saga the caller waits for; `None` when there is nothing to wait for.
    fn followed(&self) -> Option<Uuid> {
        None
    }

    /// Carries it out. When the future is dropped, the command may or may not happen.
    fn carry_out(
        self,
        doors: &Doors,
        by: Caller,
    ) -> impl Future<Output = Result<Self::Effect, Problem>>;

    /// Answers; a caller that follows a saga waits here.
    ///
    /// # Errors
    /// When the command of such a caller is refused, or its outcome is unknown.
    fn answer(
        effect: Self::Effect,
        asked: &Asked<'_>,
    ) -> impl Future<Output = Result<HttpResponse, Problem>>;
}

/// What a command needs besides its request.
#[derive(Debug)]
pub struct Caller {
    /// The key that the command is done once for; without one, it is done each time.
    pub binding: Option<RequestBinding>,
    /// Whether the caller follows the saga.
    pub follow: Follow,
}

impl Caller {
    /// Who acts as an operator, and why. A node asks nobody who they are.
    pub fn as_operator(&self, reason: Option<String>) -> Operator {
        Operator {
            reason,
            ..Operator::anonymous()
        }
    }
}

/// The reason of an operator has at most this many characters.
pub const MAX_REASON_CHARS: usize = 2_000;

/// Reads the one field of a command that takes nothing but the operator's reason.
///
/// # Errors
/// A reason that is none, and whatever else is in the body.
pub fn reason(mut body: Fields<'_>) -> Result<Option<String>, Problem> {
    let mut errors = Errors::default();
    let reason = body.text_if_any("reason", MAX_REASON_CHARS, &mut errors);
    body.finish(&["reason"], &mut errors);
    errors.finish(Some(reason))
}

/// The part of a request that all commands share.
pub struct Asked<'a> {
    /// What all routes share.
    pub api: &'a Api,
    /// The request, without its body.
    pub request: &'a HttpRequest,
    /// The entity in the path.
    id: Option<Uuid>,
    /// What of the caller's preferences counts.
    pub prefer: Prefer,
    since: Instant,
}

impl Asked<'_> {
    /// The entity in the path.
    ///
    /// # Errors
    /// When the path has none; [`run`] has read it where it has one.
    pub fn id(&self) -> Result<Uuid, Problem> {
        self.id.map_or_else(|| path_id(self.request), Ok)
    }

    /// The name in the path.
    pub fn name(&self) -> &str {
        self.request.match_info().get("name").unwrap_or_default()
    }

    /// How long the caller wants to wait; a wait of no time is none.
    fn wait(&self) -> Option<Duration> {
        self.prefer.wait.filter(|wait| !wait.is_zero())
    }

    /// Whether the caller wants to wait.
    pub fn waits(&self) -> bool {
        self.wait().is_some()
    }

    /// The order at the end of its saga, or when the caller's wait is over.
    ///
    /// # Errors
    /// When the command is refused, or its outcome is unknown.
    pub async fn end_of(&self, accepted: OrderAccepted) -> Result<OrderAnswer, Problem> {
        let left = self.wait().unwrap_or_default();
        let left = left.saturating_sub(self.since.elapsed());
        Ok(accepted.ended_within(left).await?)
    }

    /// The scope of a key: the method and the path, with ids as the service writes them.
    fn scope(&self) -> String {
        let path = self.request.match_pattern().unwrap_or_default();
        let path = match self.id {
            Some(id) => path.replace("{id}", &id.to_string()),
            None => path,
        };
        let path = path.replace("{name}", self.name());
        format!("{} {path}", self.request.method())
    }
}

/// Carries a command out and answers it: the way of every request that changes something.
pub async fn run<C: Command>(
    request: HttpRequest,
    api: Data<Api>,
    payload: Payload,
) -> HttpResponse {
    // It is large, and whoever hands it on until it is asked for the first time would copy it.
    let work = Box::pin(carried_out::<C>(&request, &api, payload));
    C::meter(&api.meters).watch(&request, work).await
}

async fn carried_out<C: Command>(
    request: &HttpRequest,
    api: &Api,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let gate = &api.gate;
    let mut asked = asked::<C>(request, api)?;
    let key = idempotency::key(request)?;

    // A body that is still coming in is no work yet.
    let body = body::take(C::TAKES, request, payload, &gate.bodies, &api.shutdown).await?;
    let permit = gate.in_flight.enter()?;
    asked.since = Instant::now();

    let command = C::read(&asked, body.fields(C::TAKES, request)?)?;
    let binding = key
        .map(|key| idempotency::bind(key, &asked.scope(), &command.value()))
        .transpose()?;

    // A caller who cannot wait hears it before anything has happened.
    let followed = command.followed().filter(|_| asked.waits());
    let place = followed
        .map(|entity| gate.waiting.enter(entity))
        .transpose()?;
    let wait = asked.wait().filter(|_| place.is_some());
    let binding = binding.map(|binding| binding.waiting(wait.unwrap_or_default()));

    // A caller who waits for a saga does no work, and keeps nobody from working: the permit goes
    // with the command, and is given back when that is carried out, or the caller goes.
    let (follow, permit) = match place {
        Some(_) => (Follow::Saga(Work::new(permit)), None),
        None => (Follow::Nothing, Some(permit)),
    };

    // From here on nothing holds the bytes of the request.
    drop(body);
    let by = Caller { binding, follow };
    let effect = tokio::time::timeout(ANSWER_WITHIN, command.carry_out(&gate.doors, by))
        .await
        .unwrap_or_else(|_| Err(Problem::not_in_time()))?;

    drop(permit);
    C::answer(effect, &asked).await
}

/// Reads what comes before the body: parameters, path and preferences. Conditions are refused.
fn asked<'a, C: Command>(request: &'a HttpRequest, api: &'a Api) -> Result<Asked<'a>, Problem> {
    Params::of(request, C::PARAMS).finish()?;
    conditional::none(request)?;
    let has_id = request.match_info().get("id").is_some();

    Ok(Asked {
        api,
        request,
        id: has_id.then(|| path_id(request)).transpose()?,
        prefer: Prefer::of(request, api.waits),
        since: Instant::now(),
    })
}
