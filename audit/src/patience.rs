//! Reads of a view store that answers slowly, or not at this moment, are repeated: an audit reads
//! for long, and a server that pauses in between says nothing about the data.

use std::time::Duration;

use projections::ViewError;
use tokio::time::{Instant, sleep};

/// A store that has not answered for so long is down, and the audit says so.
const PATIENCE: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Reads until the store answers.
///
/// # Errors
/// The last error of a store that does not answer, and at once every error that will not pass.
pub(super) async fn patiently<T, F>(mut read: impl FnMut() -> F) -> Result<T, ViewError>
where
    F: Future<Output = Result<T, ViewError>>,
{
    let last_try = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;

    loop {
        match read().await {
            Err(ViewError::Unavailable { .. } | ViewError::TimedOut { .. })
                if Instant::now() < last_try =>
            {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_answer() -> ViewError {
        ViewError::Unavailable {
            view: "search",
            source: "no answer".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_answers_later_is_read_and_one_that_is_down_is_told() {
        let began = Instant::now();
        let answers_later = || async {
            let up = began.elapsed() > PATIENCE / 2;
            if up { Ok("read") } else { Err(no_answer()) }
        };
        assert_eq!(patiently(answers_later).await.unwrap(), "read");

        let down = || async { Err::<(), _>(no_answer()) };
        assert!(matches!(
            patiently(down).await,
            Err(ViewError::Unavailable { .. })
        ));
        assert!(began.elapsed() < PATIENCE * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_not_pass_is_told_at_once() {
        let began = Instant::now();
        let closed = || async { Err::<(), _>(ViewError::Closed { view: "search" }) };
        assert!(matches!(
            patiently(closed).await,
            Err(ViewError::Closed { .. })
        ));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
