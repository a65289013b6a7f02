//! The read side: answers queries from the newest commit, off the async threads, a few at a time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::OrderId;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use store::Positions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::collect::collect;
use super::deadline::Deadline;
use super::lookup::Lookup;
use super::snapshot::Snapshot;
use super::{task_error, view_error};
use crate::ViewError;
use crate::search::highlight::highlight;
use crate::search::points::score_of;
use crate::search::query::{Prepared, SortKey, write_cursor};
use crate::search::{Hit, SearchPage, SearchQuery, SearchReader, timed_out, unavailable};

/// Runs at most this many searches at a time: the processor is what limits them.
const MAX_RUNNING: usize = 4;
/// At most this many more wait for their turn; the next one is refused.
const MAX_WAITING: usize = 256;

pub(super) struct EmbeddedReader {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    time_limit: Duration,
}

impl fmt::Debug for EmbeddedReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedReader").finish_non_exhaustive()
    }
}

impl EmbeddedReader {
    pub(super) fn new(snapshots: watch::Receiver<Arc<Snapshot>>, time_limit: Duration) -> Self {
        EmbeddedReader {
            snapshots,
            running: Arc::new(Semaphore::new(MAX_RUNNING)),
            admitted: Arc::new(Semaphore::new(MAX_RUNNING + MAX_WAITING)),
            time_limit,
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    async fn turn(&self) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), ViewError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let admitted = admitted.map_err(|_| unavailable("too many searches are under way"))?;
        let running = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(unavailable)?;
        Ok((admitted, running))
    }

    /// Runs `work` on a thread that may block. The turn ends with the work, also when nobody waits
    /// for it any more.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Snapshot) -> Result<T, ViewError> + Send + 'static,
    ) -> Result<T, ViewError> {
        let turn = self.turn().await?;
        let snapshot = self.snapshot();
        let task = tokio::task::spawn_blocking(move || {
            let result = work(&snapshot);
            drop(turn);
            result
        });
        task.await.map_err(task_error)?
    }
}

impl SearchReader for EmbeddedReader {
    fn search(&self, query: SearchQuery) -> BoxFuture<'_, Result<SearchPage, ViewError>> {
        async move {
            let prepared = query.prepare()?;
            let deadline = Deadline::within(self.time_limit);
            let searching = self.run(move |snapshot| answer(snapshot, &prepared, deadline));
            // The time includes that until its turn comes.
            tokio::time::timeout(self.time_limit, searching)
                .await
                .unwrap_or(Err(timed_out()))
        }
        .boxed()
    }

    fn version_of(&self, order: OrderId) -> BoxFuture<'_, Result<Option<u64>, ViewError>> {
        self.run(move |snapshot| Ok(snapshot.find(order)?.map(|(_, version)| version)))
            .boxed()
    }

    fn positions(&self) -> BoxFuture<'_, Result<Positions, ViewError>> {
        let positions = self.snapshot().positions.clone();
        async move { Ok(positions) }.boxed()
    }
}

fn answer(
    snapshot: &Snapshot,
    query: &Prepared,
    deadline: Deadline,
) -> Result<SearchPage, ViewError> {
    let lookup = Lookup::new(&snapshot.fields, query, deadline);
    let found = collect(snapshot, &lookup, query, deadline).map_err(|error| {
        if deadline.is_over() {
            timed_out()
        } else {
            view_error(error)
        }
    })?;

    let mut hit = |(key, address): &(SortKey, _)| {
        let document = snapshot.document(*address)?;
        let highlights = query
            .terms
            .as_ref()
            .map(|terms| highlight(terms, &document));
        Ok(Hit {
            score: query.is_scored().then(|| score_of(key.rank)),
            highlights,
            document,
        })
    };

    let hits: Vec<Hit> = found
        .hits
        .iter()
        .map(&mut hit)
        .collect::<Result<_, ViewError>>()?;
    let last = found.hits.last().filter(|_| found.has_more);

    Ok(SearchPage {
        hits,
        total: found.total,
        next: last.map(|(key, _)| write_cursor(query.sort, *key)),
        positions: snapshot.positions.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::embedded::tests::snapshot_of_one_order;

    #[test]
    fn a_search_whose_time_is_over_is_given_up_by_the_thread_that_does_it() {
        let (_folder, snapshot) = snapshot_of_one_order();
        for text in [None, Some("tea"), Some("t*"), Some("green-t*")] {
            let query = SearchQuery {
                text: text.map(str::to_owned),
                ..SearchQuery::default()
            };
            let query = query.prepare().unwrap();
            let hour = Deadline::within(Duration::from_secs(3_600));
            assert_eq!(
                answer(&snapshot, &query, hour).unwrap().total,
                1,
                "{text:?}"
            );
            let over = answer(&snapshot, &query, Deadline::within(Duration::ZERO));
            assert!(matches!(over, Err(ViewError::TimedOut { .. })), "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_search_whose_turn_does_not_come_is_answered_in_time() {
        let (_folder, snapshot) = snapshot_of_one_order();
        let (_publish, snapshots) = watch::channel(Arc::new(snapshot));
        let reader = EmbeddedReader::new(snapshots, Duration::from_millis(20));
        let _all = Arc::clone(&reader.running)
            .acquire_many_owned(u32::try_from(MAX_RUNNING).unwrap())
            .await
            .unwrap();
        let answer = reader.search(SearchQuery::default()).await;
        assert!(
            matches!(answer, Err(ViewError::TimedOut { .. })),
            "{answer:?}"
        );
    }
}
