//! The bounds on what goes on at a time: work, large bodies, and callers that wait. Beyond a bound
//! the node answers `503` at once instead of queueing.
//!
//! A caller who waits does no work: it holds a socket, a timer and a place on a list, and nothing
//! that others need. So there may be many more of them, and they count apart. No single customer,
//! order or token may take everybody's places.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Problem;

/// One cause may take one in this many of the places for callers that wait.
const SHARES: usize = 4;

/// Counts work under way, such as requests.
#[derive(Debug)]
pub struct InFlight {
    count: Arc<AtomicUsize>,
    limit: usize,
}

/// The right to work on one request; gives it back when dropped. It goes where the work does.
#[derive(Debug)]
pub struct Permit(Arc<AtomicUsize>);

impl InFlight {
    /// At most `limit` at a time.
    pub fn new(limit: usize) -> Self {
        InFlight {
            count: Arc::default(),
            limit,
        }
    }

    /// # Errors
    /// The problem to answer when as many as allowed are in flight.
    pub fn enter(&self) -> Result<Permit, Problem> {
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(Arc::clone(&self.count));
        if before < self.limit {
            Ok(permit)
        } else {
            Err(Problem::overloaded())
        }
    }

    /// How many are in flight.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts callers that wait, over all and by what they wait for.
#[derive(Debug)]
pub struct Waiting {
    limit: usize,
    hasher: RandomState,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    /// By the hash of the cause: two causes with the same hash share the places of one.
    by_cause: HashMap<u64, usize>,
}

/// The place of one caller that waits; gives it back when dropped.
#[derive(Debug)]
pub struct Place<'a> {
    waiting: &'a Waiting,
    cause: u64,
}

impl Waiting {
    /// At most `limit` at a time, over all causes.
    pub fn new(limit: usize) -> Self {
        Waiting {
            limit,
            hasher: RandomState::new(),
            places: Mutex::default(),
        }
    }

    /// Takes a place for a caller that waits for `cause`: a customer, an order, a token.
    ///
    /// # Errors
    /// The problem to answer when all places are taken, or all that one cause may take.
    pub fn enter(&self, cause: impl Hash) -> Result<Place<'_>, Problem> {
        let cause = self.hasher.hash_one(cause);
        let mut places = self.lock();

        let of_cause = places.by_cause.get(&cause).copied().unwrap_or(0);
        if places.taken >= self.limit || of_cause >= self.limit.div_ceil(SHARES) {
            return Err(Problem::too_many_wait());
        }

        places.taken += 1;
        places.by_cause.insert(cause, of_cause + 1);

        Ok(Place {
            waiting: self,
            cause,
        })
    }

    /// How many callers wait.
    pub fn count(&self) -> usize {
        self.lock().taken
    }

    // Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = self.waiting.lock();
        places.taken = places.taken.saturating_sub(1);

        let left = places
            .by_cause
            .get(&self.cause)
            .map_or(0, |of_cause| of_cause.saturating_sub(1));
        if left == 0 {
            places.by_cause.remove(&self.cause);
        } else {
            places.by_cause.insert(self.cause, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_is_refused_until_something_ends() {
        let bound = InFlight::new(2);
        let first = bound.enter().unwrap();
        let _second = bound.enter().unwrap();
        assert!(bound.enter().is_err() && bound.enter().is_err());
        drop(first);
        assert!(bound.enter().is_ok());
    }

    #[test]
    fn one_cause_cannot_take_the_places_of_all_others() {
        let waiting = Waiting::new(8);
        let ada = [waiting.enter("Ada").unwrap(), waiting.enter("Ada").unwrap()];
        assert!(waiting.enter("Ada").is_err());

        let others = ["Bea", "Cy", "Dan", "Eve", "Flo", "Gus"].map(|name| waiting.enter(name));
        assert!(others.iter().all(Result::is_ok));
        assert_eq!(waiting.count(), 8);
        assert!(waiting.enter("Hal").is_err());

        drop(ada);
        assert!(waiting.enter("Ada").is_ok());
    }

    #[test]
    fn nothing_is_kept_of_those_who_have_gone() {
        let waiting = Waiting::new(100);
        for number in 0..1000 {
            waiting.enter(number).unwrap();
        }
        assert_eq!(waiting.count(), 0);
        assert!(waiting.lock().by_cause.is_empty());
    }

    #[test]
    fn where_only_one_may_wait_one_does() {
        let waiting = Waiting::new(1);
        let _place = waiting.enter("Ada").unwrap();
        assert!(waiting.enter("Bea").is_err());
    }
}
