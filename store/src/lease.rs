//! A right that one of several nodes has at a time, and never longer than it is sure of it.
//!
//! Whoever has it hears now and then that it still does, each time for a few seconds. A node that
//! was stopped meanwhile, or cut off, finds when it goes on that its time is over, without asking
//! anybody; and nobody else is given the right before that time is over.

use tokio::sync::watch;
use tokio::time::Instant;

/// How one of several nodes sees the right.
#[derive(Clone, Debug)]
pub struct Lease(Option<watch::Receiver<Option<Instant>>>);

/// Grants a lease to those who look at it, from one time to the next.
#[derive(Debug)]
pub struct Grants(watch::Sender<Option<Instant>>);

impl Lease {
    /// That of whoever has nobody beside him.
    #[must_use]
    pub const fn for_ever() -> Self {
        Lease(None)
    }

    /// That of whoever leaves it to others.
    #[must_use]
    pub fn never() -> Self {
        Lease(Some(watch::channel(None).1))
    }

    /// One that is not held yet, and what grants it.
    #[must_use]
    pub fn granted() -> (Grants, Self) {
        let (grants, lease) = watch::channel(None);
        (Grants(grants), Lease(Some(lease)))
    }

    /// Whether it is held at this moment.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|until| until.borrow().is_some_and(|until| Instant::now() < until))
    }

    /// Waits until it is held.
    pub async fn begins(&mut self) {
        let Some(granted) = &mut self.0 else { return };
        let held = |until: &Option<Instant>| until.is_some_and(|until| Instant::now() < until);
        if granted.wait_for(held).await.is_err() {
            // Nobody grants it any more.
            std::future::pending().await
        }
    }

    /// Waits until it is held no longer.
    pub async fn ends(&mut self) {
        let Some(granted) = &mut self.0 else {
            return std::future::pending().await;
        };
        loop {
            let until = *granted.borrow_and_update();
            let Some(until) = until.filter(|until| Instant::now() < *until) else {
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
        self.0.send_replace(Some(until));
    }

    /// It is held no longer.
    pub fn end(&self) {
        self.0.send_replace(None);
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
        assert!(lease.is_held());
        assert!(futures_util::FutureExt::now_or_never(lease.ends()).is_none());
    }
}
