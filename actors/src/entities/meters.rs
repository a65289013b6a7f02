//! What is measured of sagas that end. The handles are made once: many sagas end in a second.

use std::collections::HashMap;
use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};
use sagas::{Definition, SagaData, SagaState, Timestamp};

use crate::metric_names as names;

/// How sagas of one type end in one state.
#[derive(Clone, Debug)]
struct Meter {
    ended: Counter,
    seconds: Histogram,
}

/// How the sagas of a service end, by type and state.
pub(super) struct SagaMeters(HashMap<(&'static str, SagaState), Meter>);

impl SagaMeters {
    /// Those of all types and ends, so that a scrape shows the first one as a step from 0.
    pub(super) fn of<D: SagaData>(definitions: &[&'static Definition<D>]) -> Self {
        let ends = SagaState::ALL.into_iter().filter(|state| state.has_ended());
        let of_type = |definition: &&'static Definition<D>| {
            let kind = definition.name;
            ends.clone()
                .map(move |state| ((kind, state), Meter::of(kind, state)))
        };
        SagaMeters(definitions.iter().flat_map(of_type).collect())
    }

    /// A saga that has begun at `since` is to end now.
    pub(super) fn ended(
        &self,
        end: (&'static str, SagaState),
        since: Timestamp,
        now: Timestamp,
    ) -> Option<SagaEnd> {
        let meter = self.0.get(&end)?.clone();
        let micros = now.micros().saturating_sub(since.micros());
        let lasted = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        Some(SagaEnd { meter, lasted })
    }
}

/// The end of a saga, which counts when it is durable: a commit that fails takes it back.
#[derive(Debug)]
pub(crate) struct SagaEnd {
    meter: Meter,
    lasted: Duration,
}

impl SagaEnd {
    pub(crate) fn count(self) {
        self.meter.ended.increment(1);
        self.meter.seconds.record(self.lasted);
    }
}

impl Meter {
    fn of(kind: &'static str, state: SagaState) -> Self {
        let label = || [("type", kind), ("state", state.name())];
        Meter {
            ended: counter!(names::SAGAS_ENDED, &label()),
            seconds: histogram!(names::SAGA_SECONDS, &label()),
        }
    }
}
