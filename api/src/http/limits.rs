//! The bound on work in flight: what is beyond it is answered `503` at once instead of queueing. A
//! request whose body is still coming in is not worked on yet.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Problem;

/// Counts requests that are worked on.
#[derive(Debug)]
pub struct InFlight {
    count: AtomicUsize,
    limit: usize,
}

/// The right to work on one request; gives it back when dropped.
#[derive(Debug)]
pub struct Permit<'a>(&'a InFlight);

impl InFlight {
    pub const fn new(limit: usize) -> Self {
        InFlight {
            count: AtomicUsize::new(0),
            limit,
        }
    }

    /// # Errors
    /// The problem to answer when as many as allowed are in flight.
    pub fn enter(&self) -> Result<Permit<'_>, Problem> {
        let permit = Permit(self);
        if self.count.fetch_add(1, Ordering::Relaxed) < self.limit {
            Ok(permit)
        } else {
            Err(Problem::overloaded())
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
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
}
