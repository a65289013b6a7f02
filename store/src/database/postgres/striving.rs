//! A right that one of the nodes on a database has at a time: a lock of the server, held by a
//! session that ends soon when its node does not say that it is there.

use std::sync::Arc;
use std::time::Duration;

use sagas::Service;
use sea_orm::sqlx::{self, PgConnection};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::{PostgresAddress, Use};
use crate::lease::{Grants, Lease};

/// Beside the numbers of [`super::occupancy`].
const LOCK: i64 = 7_165_074_649_429_406_313;
const TRY: &str = "SELECT pg_try_advisory_lock($1)";
const STILL_THERE: &str = "SELECT 1";
/// The server ends a session that says nothing for this long, and frees its lock: that of a node
/// that stands still, too, whose connection is open. Longer than a node takes itself for the
/// holder.
const SILENT: &str = "SET idle_session_timeout = '8s'";

/// A node that was heard is sure for so long.
const SURE_FOR: Duration = Duration::from_secs(5);
/// How often the holder says that it is there.
const SAYS_EVERY: Duration = Duration::from_secs(1);
/// How often the others try.
const TRIES_EVERY: Duration = Duration::from_millis(500);
/// A server that does not answer for so long is asked on another connection.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Whoever leaves the right to others strives for it again after this time: long enough for them.
const RESTS_FOR: Duration = Duration::from_secs(10);

/// Strives for the right until it is dropped, which gives it back.
#[derive(Debug)]
pub struct Striving {
    strives: JoinHandle<()>,
    rest: Arc<Notify>,
}

impl Striving {
    /// Gives the right back, when this node has it, and leaves it to others for a while.
    pub fn rest(&self) {
        self.rest.notify_one();
    }
}

impl Drop for Striving {
    fn drop(&mut self) {
        self.strives.abort();
    }
}

impl PostgresAddress {
    /// Strives, once `begins` resolves, for the right to look after what the nodes on this database
    /// share besides it. Must be called where a tokio runtime runs.
    #[must_use]
    pub fn strive(
        &self,
        service: Service,
        begins: impl Future<Output = ()> + Send + 'static,
    ) -> (Striving, Lease) {
        let (grants, lease) = Lease::granted();
        let (address, rest) = (self.clone(), Arc::new(Notify::new()));
        let to_rest = Arc::clone(&rest);
        let strives = async move {
            begins.await;
            let mut told = String::new();
            loop {
                let lost = tokio::select! {
                    lost = address.hold(service, &grants) => Some(lost),
                    // Its connection goes with it, and with that the lock.
                    () = to_rest.notified() => None,
                };
                grants.end();

                if let Some(Err(error)) = &lost {
                    let cause = error.to_string();
                    if cause != told {
                        tracing::warn!(service = %service, cause, "the lease cannot be striven for");
                        told = cause;
                    }
                }
                let pause = if lost.is_some() {
                    TRIES_EVERY
                } else {
                    RESTS_FOR
                };
                tokio::time::sleep(pause).await;
            }
        };
        let strives = tokio::spawn(strives);
        (Striving { strives, rest }, lease)
    }

    /// Waits for the lock and holds it, until its connection fails.
    async fn hold(&self, service: Service, grants: &Grants) -> Result<(), sqlx::Error> {
        let late = |_| sqlx::Error::PoolTimedOut;
        let connecting = self.connect(service, Use::Occupy);
        let mut connection = timeout(ANSWERS_WITHIN, connecting).await.map_err(late)??;
        let silent = sqlx::query(SILENT).execute(&mut connection);
        timeout(ANSWERS_WITHIN, silent).await.map_err(late)??;

        loop {
            let asked_at = Instant::now();
            let tried = timeout(ANSWERS_WITHIN, has_lock(&mut connection)).await;
            if tried.map_err(late)?? {
                grants.until(asked_at + SURE_FOR);
                break;
            }
            tokio::time::sleep(TRIES_EVERY).await;
        }

        tracing::info!(service = %service, "this node looks after what all nodes share");
        loop {
            tokio::time::sleep(SAYS_EVERY).await;
            let asked_at = Instant::now();
            let says = sqlx::query(STILL_THERE).execute(&mut connection);
            timeout(ANSWERS_WITHIN, says).await.map_err(late)??;
            grants.until(asked_at + SURE_FOR);
        }
    }
}

async fn has_lock(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(TRY)
        .bind(LOCK)
        .fetch_one(connection)
        .await
}
