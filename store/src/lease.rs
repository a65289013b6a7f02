//! A right that one of several nodes has at a time, and never longer than it is sure of it.
//!
//! Whoever has it hears now and then that it still does, each time for a few seconds. A node that
//! was stopped meanwhile, or cut off, finds when it goes on that its time is over, without asking
//! anybody; and nobody else is given the right before that time is over.

use tokio::sync::watch;
use tokio::time::Instant;

/// How one of several nodes sees the right.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Nothing where there is nobody else.
    granted: Option<watch::Receiver<Granted>>,
    /// The tenure that counts; any, before one was taken.
    taken: Option<u64>,
}

/// What the node that strives for the right has been told.
#[derive(Clone, Copy, Debug, Default)]
struct Granted {
    /// Counts how often it has had the right: in between, others may have had it.
    tenure: u64,
    until: Option<Instant>,
}

/// Grants a lease to those who look at it, from one time to the next.
#[derive(Debug)]
pub struct Grants(watch::Sender<Granted>);

impl Granted {
    /// Until when it is held, if it is.
    fn held(self, taken: Option<u64>) -> Option<Instant> {
        let counts = taken.is_none_or(|taken| taken == self.tenure);
        let until = self.until.filter(|until| Instant::now() < *until);
        until.filter(|_| counts)
    }
}

impl Lease {
    /// That of whoever has nobody beside him.
    #[must_use]
    pub const fn for_ever() -> Self {
        Lease {
            granted: None,
            taken: None,
        }
    }

    /// That of whoever leaves it to others.
    #[must_use]
    pub fn never() -> Self {
        Self::granted().1
    }

    /// One that is not held yet, and what grants it.
    #[must_use]
    pub fn granted() -> (Grants, Self) {
        let (grants, granted) = watch::channel(Granted::default());
        let lease = Lease {
            granted: Some(granted),
            taken: None,
        };
        (Grants(grants), lease)
    }

    /// Whether others may hold it, too, one after the other.
    #[must_use]
    pub fn has_rivals(&self) -> bool {
        self.granted.is_some()
    }

    /// Whether it is held at this moment, and has been since it was taken.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let held = |granted: &watch::Receiver<Granted>| granted.borrow().held(self.taken);
        self.granted
            .as_ref()
            .is_none_or(|granted| held(granted).is_some())
    }

    /// Takes the tenure of this moment, if there is one: what comes after another node's is not the
    /// same, even if nobody here has looked in between.
    pub fn take(&mut self) -> bool {
        self.taken = None;
        let is_held = self.is_held();
        let granted = self.granted.as_ref().filter(|_| is_held);
        self.taken = granted.map(|granted| granted.borrow().tenure);
        is_held
    }

    /// Waits until it is held.
    pub async fn begins(&mut self) {
        let taken = self.taken;
        let Some(granted) = &mut self.granted else {
            return;
        };
        let begun = granted.wait_for(|granted| granted.held(taken).is_some());
        let is_lost = begun.await.is_err();
        if is_lost {
            // Nobody grants it any more.
            std::future::pending().await
        }
    }

    /// Waits until it is held no longer.
    pub async fn ends(&mut self) {
        let taken = self.taken;
        let Some(granted) = &mut self.granted else {
            return std::future::pending().await;
        };
        loop {
            let until = granted.borrow_and_update().held(taken);
            let Some(until) = until else {
                return;
            };
            tokio::select! {
                changed = granted.changed() => if changed.is_err() {
                    return tokio::time::sleep_until(until).await;
                },
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }
}

impl Grants {
    /// It is held until then.
    pub fn until(&self, until: Instant) {
        self.0.send_modify(|granted| {
            granted.tenure += u64::from(granted.until.is_none());
            granted.until = Some(until);
        });
    }

    /// It is held no longer; others may have it from now on.
    pub fn end(&self) {
        self.0.send_modify(|granted| granted.until = None);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_by_itself_unless_it_is_granted_again() {
        let (grants, mut lease) = Lease::granted();
        assert!(!lease.is_held());

        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        grants.until(after(5));
        lease.begins().await;
        assert!(lease.is_held());
        tokio::time::sleep_until(after(3)).await;
        grants.until(after(8));

        lease.ends().await;
        assert_eq!(start.elapsed(), Duration::from_secs(8));
        assert!(!lease.is_held());

        grants.until(after(20));
        lease.begins().await;
        grants.end();
        lease.ends().await;
        assert_eq!(start.elapsed(), Duration::from_secs(8));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_comes_back_is_not_the_one_that_was_taken() {
        let (grants, mut lease) = Lease::granted();
        let in_a_minute = Instant::now() + Duration::from_secs(60);
        grants.until(in_a_minute);
        assert!(lease.take());
        grants.until(in_a_minute + Duration::from_secs(1));
        assert!(lease.is_held());

        // Nobody looks in between.
        grants.end();
        grants.until(in_a_minute);
        assert!(!lease.is_held());
        lease.ends().await;
        assert!(lease.take() && lease.is_held());
    }

    #[tokio::test]
    async fn whoever_leaves_it_to_others_never_holds_it() {
        let mut lease = Lease::never();
        assert!(!lease.is_held());
        lease.ends().await;
        assert!(futures_util::FutureExt::now_or_never(lease.begins()).is_none());
    }

    #[tokio::test]
    async fn whoever_is_alone_holds_it_for_ever() {
        let mut lease = Lease::for_ever();
        lease.begins().await;
        assert!(lease.take() && lease.is_held());
        assert!(futures_util::FutureExt::now_or_never(lease.ends()).is_none());
    }
}
