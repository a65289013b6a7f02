//! What is measured of a journal.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use sagas::Service;

use crate::metric_names as names;

pub(super) struct Instruments {
    pub commits: Counter,
    pub units: Counter,
    pub culprits: Counter,
    pub panics: Counter,
    pub seconds: Histogram,
    pub published: Counter,
    pub pruned: Counter,
    pub backlog: Gauge,
}

impl Instruments {
    pub(super) fn of(service: Service) -> Self {
        let label = || [("service", service.name())];
        // Whoever finds such a row counts it; here it is shown as 0 until then.
        counter!(names::OUTBOX_UNREADABLE, &label()).increment(0);
        counter!(names::SNAPSHOTS_UNUSABLE, &label()).increment(0);

        Instruments {
            commits: counter!(names::JOURNAL_COMMITS, &label()),
            units: counter!(names::JOURNAL_UNITS, &label()),
            culprits: counter!(names::JOURNAL_CULPRITS, &label()),
            panics: counter!(names::JOURNAL_PANICS, &label()),
            seconds: histogram!(names::JOURNAL_COMMIT_SECONDS, &label()),
            published: counter!(names::LOG_PUBLISHED, &label()),
            pruned: counter!(names::OUTBOX_PRUNED, &label()),
            backlog: gauge!(names::JOURNAL_BACKLOG, &label()),
        }
    }
}
