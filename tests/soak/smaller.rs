//! Makes a round that has failed smaller: it is repeated without some of its faults, then without
//! some of its acts. Processes run as the machine lets them, so what fails once may not fail again:
//! a round that does not is taken for one that is too small.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tests::Pieces;

use crate::faults::Servers;
use crate::plan::Plan;
use crate::round::{self, RoundOutcome, Store};

/// So many rounds are spent on it, and no more are begun after this time.
const REPEATS: usize = 12;
const WITHIN: Duration = Duration::from_secs(300);

/// The smallest round that has failed on an empty store, and what became of it; `None` when it has
/// not failed there at all.
pub async fn smallest(plan: &Plan, servers: Option<Arc<Servers>>) -> Option<(Plan, RoundOutcome)> {
    let mut repeats = Repeats {
        left: REPEATS,
        until: Instant::now() + WITHIN,
        servers,
    };
    let mut failed = (plan.clone(), repeats.failure_of(plan).await?);
    repeats.without(&mut failed, |plan| &mut plan.faults).await;
    repeats.without(&mut failed, |plan| &mut plan.acts).await;
    Some(failed)
}

struct Repeats {
    left: usize,
    until: Instant,
    servers: Option<Arc<Servers>>,
}

impl Repeats {
    /// Leaves out what the round fails without, as long as there are repeats left.
    async fn without<T>(
        &mut self,
        failed: &mut (Plan, RoundOutcome),
        list: impl Fn(&mut Plan) -> &mut Vec<T>,
    ) {
        let mut pieces = Pieces::of(list(&mut failed.0).len());
        while self.left > 0
            && let Some(piece) = pieces.next(list(&mut failed.0).len())
        {
            let mut smaller = failed.0.clone();
            list(&mut smaller).drain(piece);
            match self.failure_of(&smaller).await {
                Some(outcome) => *failed = (smaller, outcome),
                None => pieces.stays(),
            }
        }
    }

    /// Has a round happen on an empty store; what became of it, if it fails.
    async fn failure_of(&mut self, plan: &Plan) -> Option<RoundOutcome> {
        if self.left == 0 || Instant::now() >= self.until {
            self.left = 0;
            return None;
        }
        self.left -= 1;

        let store = Store::new(plan, self.servers.as_ref()).await;
        let outcome = round::run(plan.clone(), store, self.servers.clone()).await;
        let (acts, faults) = (plan.acts.len(), plan.faults.len());
        let found = outcome.violations.len();
        println!("  again with {acts} acts and {faults} faults: {found} violations");
        (found > 0).then_some(outcome)
    }
}
