//! The only allowed way to wait: for something observable, within a bound.

use std::time::{Duration, Instant};

const USUAL_BOUND: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Calls `probe` until it gives a value; panics with `what` when it has not within 30 seconds.
pub async fn eventually<T>(what: &str, probe: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(USUAL_BOUND, what, probe).await
}

/// The same with a bound of its own.
pub async fn eventually_within<T>(
    bound: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = probe().await {
            return seen;
        }
        assert!(started.elapsed() < bound, "not within {bound:?}: {what}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
