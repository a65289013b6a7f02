//! The spans of what happens below a request, as children of the request's own.
//!
//! What happens names the saga or the entity that it is part of; the request says which these are
//! when it is answered. A caller that waits for its saga is answered after all of it has happened,
//! so spans that nobody has claimed wait for a while, and what nobody claims is dropped: requests
//! that are not sampled, and sagas whose request came before a restart.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Span as _, SpanContext, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use sagas::Timestamp;
use store::spans::{self, Span, Spans};
use uuid::Uuid;

/// So many sagas and entities are known, or waited for; then the oldest are forgotten.
const AT_MOST: usize = 8_192;
/// So many spans of one wait.
const OF_ONE: usize = 64;

static BELOW: OnceLock<Arc<Below>> = OnceLock::new();

/// What an answer is about, a saga or an entity: its request's span is the parent of what happens
/// to that.
#[derive(Clone, Copy, Debug)]
pub struct Concerns(pub Uuid);

/// Whether anybody wants to know what an answer is about.
pub fn is_followed() -> bool {
    BELOW.get().is_some()
}

/// Follows what happens below requests from now on, with this tracer.
pub fn follow(tracer: SdkTracer) {
    let below = Arc::new(Below {
        tracer,
        state: Mutex::default(),
    });
    // A second node in one process, as tests have it, is not followed.
    if BELOW.set(Arc::clone(&below)).is_ok() {
        spans::tell_to(Box::new(Follower(below)));
    }
}

/// This came from the request that has this span.
pub fn claim(concerns: Concerns, request: &SpanContext) {
    if let Some(below) = BELOW.get() {
        below.claim(concerns.0, request);
    }
}

#[derive(Debug)]
struct Below {
    tracer: SdkTracer,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<Uuid, Known>,
    /// In the order in which they became known.
    order: VecDeque<Uuid>,
}

#[derive(Debug)]
enum Known {
    /// Nobody has claimed these yet.
    Waiting(Vec<Span>),
    Claimed(SpanContext),
}

#[derive(Debug)]
struct Follower(Arc<Below>);

impl Spans for Follower {
    fn ended(&self, span: Span) {
        self.0.ended(span);
    }
}

impl State {
    fn insert(&mut self, id: Uuid, known: Known) -> Option<Known> {
        let before = self.known.insert(id, known);
        if before.is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > AT_MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        before
    }
}

impl Below {
    fn ended(&self, span: Span) {
        let mut state = self.lock();
        match state.known.get_mut(&span.part_of) {
            Some(Known::Claimed(request)) => {
                let request = request.clone();
                drop(state);
                self.send(&request, span);
            }
            Some(Known::Waiting(spans)) if spans.len() < OF_ONE => spans.push(span),
            Some(Known::Waiting(_)) => {}
            None => drop(state.insert(span.part_of, Known::Waiting(vec![span]))),
        }
    }

    /// The first request that an id is known from keeps it: a saga belongs to the one that began
    /// it.
    fn claim(&self, id: Uuid, request: &SpanContext) {
        let mut state = self.lock();
        if let Some(Known::Claimed(_)) = state.known.get(&id) {
            return;
        }
        let before = state.insert(id, Known::Claimed(request.clone()));
        drop(state);

        if let Some(Known::Waiting(spans)) = before {
            for span in spans {
                self.send(request, span);
            }
        }
    }

    fn send(&self, request: &SpanContext, span: Span) {
        if !request.is_sampled() {
            return;
        }
        let attributes = span.attributes.into_iter();
        let ended = time(span.ended);
        let mut sent = self
            .tracer
            .span_builder(span.name)
            .with_start_time(time(span.began))
            .with_attributes(attributes.map(|(name, value)| KeyValue::new(name, value)))
            .start_with_context(
                &self.tracer,
                &Context::new().with_remote_span_context(request.clone()),
            );
        sent.end_with_timestamp(ended);
    }

    // Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(at.micros()).unwrap_or(0))
}
