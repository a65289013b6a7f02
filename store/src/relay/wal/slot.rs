//! The replication slot of a service's database: how far its log was followed. The server keeps
//! what lies behind that, which must not fill its disk.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::gauge;
use percent_encoding::percent_decode_str;
use pgwire_replication::{ReplicationClient, ReplicationConfig};
use sagas::Service;
use sea_orm::sqlx::{self, ConnectOptions, Connection, PgConnection};
use sea_orm::{ConnectionTrait, Statement};
use tokio::time::sleep;

use super::NotFollowed;
use crate::database::postgres::Use;
use crate::database::{PostgresAddress, Reading};
use crate::metric_names;

/// The outbox, and nothing else of a database.
const PUBLICATION: &str = "counterfoil_outbox";
const PUBLISHED: &str = "SELECT count(*) FROM pg_publication_tables WHERE pubname = $1 \
    AND schemaname = current_schema() AND tablename = 'outbox'";
/// It may be there without the table, which was made anew.
const UNPUBLISH: &str = "DROP PUBLICATION IF EXISTS counterfoil_outbox";
const PUBLISH: &str =
    "CREATE PUBLICATION counterfoil_outbox FOR TABLE outbox WITH (publish = 'insert')";

const NAME: &str =
    "SELECT 'counterfoil_' || oid FROM pg_database WHERE datname = current_database()";
const STATE: &str = "SELECT active, coalesce(wal_status, 'lost') = 'lost', \
    coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint, \
    confirmed_flush_lsn IS NULL \
    FROM pg_replication_slots WHERE slot_name = $1";
const CREATE: &str = "SELECT pg_create_logical_replication_slot($1, 'pgoutput')::text";
const DROP: &str = "SELECT pg_drop_replication_slot($1)::text";
/// The oldest transaction that runs and writes, and the next.
const RUNNING: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, \
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
/// One that nobody follows.
const LEFT: &str = "SELECT slot_name::text FROM pg_replication_slots \
    WHERE slot_name = 'counterfoil_' || (SELECT oid FROM pg_database \
    WHERE datname = current_database()) AND NOT active";

/// Whoever has asked has gone when this is over.
const BRIEF: &str = "SET statement_timeout = '8s'";
/// A slot is made when all transactions are over that began before this, because the server has its
/// maker wait for them.
const OLD_AFTER: Duration = Duration::from_secs(5);
/// How long the session of who followed a slot may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
const LOOKS_EVERY: Duration = Duration::from_millis(200);

/// The server takes a node that says nothing for this long for dead, and frees the slot; it says
/// something each second.
const SESSION: &str = "-c wal_sender_timeout=10s -c client_encoding=UTF8";
const SAYS_EVERY: Duration = Duration::from_secs(1);
/// How many rows may wait to be carried.
const ROWS_WAITING: usize = 256;
/// No row is larger.
const LARGEST: usize = 256 << 20;

/// The slot of a database.
pub(super) struct Slot<'d> {
    service: Service,
    address: &'d PostgresAddress,
    keeps_at_most: u64,
    /// When it was looked which transaction would be the next, and which.
    next: Mutex<Option<(Instant, i64)>>,
}

/// A session that follows the log. It ends when this is dropped: a clean end would leave the slot
/// to it until the server has been answered for the last time.
pub(super) struct Session(ReplicationClient);

/// What the server says of a slot.
struct State {
    is_active: bool,
    is_lost: bool,
    kept: u64,
    /// Somebody waits for it to be of use.
    is_being_made: bool,
}

/// A slot that can be followed.
pub(super) struct Ready {
    name: String,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl<'d> Slot<'d> {
    pub(super) fn new(service: Service, address: &'d PostgresAddress, keeps_at_most: u64) -> Self {
        Slot {
            service,
            address,
            keeps_at_most,
            next: Mutex::default(),
        }
    }

    /// Sees to it that there is one.
    pub(super) async fn ready(&self) -> Result<Ready, NotFollowed> {
        let mut sql = self.connect().await?;
        let name = name(&mut sql).await?;
        let state = state(&mut sql, &name).await?;
        match &state {
            Some(state) if state.is_being_made => return Err(NotFollowed::BeingMade),
            Some(state) if state.is_active => return Err(NotFollowed::Held),
            _ => {}
        }

        let published: i64 = sqlx::query_scalar(PUBLISHED)
            .bind(PUBLICATION)
            .fetch_one(&mut sql)
            .await?;
        if let Some(State { is_lost, .. }) = &state
            && (*is_lost || published == 0)
        {
            tracing::warn!(service = %self.service, "the relay's slot is of no use and made anew");
            drop_slot(&mut sql, &name).await?;
        }
        if published == 0 {
            sqlx::query(UNPUBLISH).execute(&mut sql).await?;
            sqlx::query(PUBLISH).execute(&mut sql).await?;
        }
        if state.is_none_or(|state| state.is_lost || published == 0) {
            if !self.none_is_older(&mut sql).await? {
                return Err(NotFollowed::Older);
            }
            sqlx::query(CREATE).bind(&name).execute(&mut sql).await?;
        }
        // One that does not close is the server's to end.
        let _ = sql.close().await;
        Ok(Ready { name })
    }

    /// Whether no transaction runs for which the maker of a slot would have to wait for long. While
    /// it does, it holds the slot, and nobody follows.
    async fn none_is_older(&self, sql: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let (oldest, next): (i64, i64) = sqlx::query_as(RUNNING).fetch_one(sql).await?;
        let mut looked = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let before = looked.filter(|(at, _)| at.elapsed() >= OLD_AFTER);
        if before.is_some() || looked.is_none() {
            *looked = Some((Instant::now(), next));
        }
        Ok(oldest >= next || before.is_some_and(|(_, before)| oldest >= before))
    }

    /// Follows the log from where the slot is on. Nobody else can from then on.
    pub(super) async fn follow(&self, ready: &Ready) -> Result<Session, NotFollowed> {
        let config = self
            .config(ready)?
            .with_options(SESSION)
            .with_status_interval(SAYS_EVERY)
            .with_wakeup_interval(SAYS_EVERY)
            .with_buffer_size(ROWS_WAITING)
            .with_max_message_size(LARGEST)
            .with_application_name(format!("counterfoil {} relay", self.service));
        let mut session = Session(ReplicationClient::connect(config).await?);
        session.wait_started().await?;
        Ok(session)
    }

    fn config(&self, ready: &Ready) -> Result<ReplicationConfig, NotFollowed> {
        if self.address.asks_for_tls() {
            return Err(NotFollowed::Tls);
        }
        let options = self.address.options(self.service, Use::Write);
        let address = options.to_url_lossy();
        let password = percent_decode_str(address.password().unwrap_or_default());
        let config = ReplicationConfig::new(
            options.get_host(),
            options.get_username(),
            password.decode_utf8_lossy(),
            options.get_database().unwrap_or_default(),
            &ready.name,
            PUBLICATION,
        );
        Ok(config.with_port(options.get_port()))
    }

    /// The server still takes this node for who follows, which it need not tell; and it does not
    /// keep more of its log for that than it is to keep.
    pub(super) async fn check(&self, ready: &Ready) -> Result<(), NotFollowed> {
        let mut sql = self.connect().await?;
        let state = state(&mut sql, &ready.name).await?;
        let _ = sql.close().await;
        match state {
            Some(state) if self.is_too_much(state.kept) => {
                Err(NotFollowed::KeepsTooMuch(self.keeps_at_most))
            }
            Some(State {
                is_active: true, ..
            }) => Ok(()),
            _ => Err(NotFollowed::Silent),
        }
    }

    /// Gives a slot up that nobody follows, if the server keeps too much for it. True when it has.
    pub(super) async fn give_up_if_it_keeps_too_much(&self) -> Result<bool, sqlx::Error> {
        let mut sql = self.connect().await?;
        let name = name(&mut sql).await?;
        let began = Instant::now();
        let kept = loop {
            let state = state(&mut sql, &name).await?;
            match state.filter(|state| self.is_too_much(state.kept)) {
                None => break None,
                Some(state) if !state.is_active => break Some(state.kept),
                // The session of this node, which has ended, or another one's: that looks itself.
                Some(_) if began.elapsed() > ENDS_WITHIN => break None,
                Some(_) => sleep(LOOKS_EVERY).await,
            }
        };
        if let Some(kept) = kept {
            tracing::warn!(
                service = %self.service, kept,
                "the relay's slot is given up: the server keeps too much of its log for it"
            );
            drop_slot(&mut sql, &name).await?;
        }
        let _ = sql.close().await;
        Ok(kept.is_some())
    }

    /// Gives it up if nobody follows it.
    pub(super) async fn clear(&self, read: &Reading) -> Result<(), sqlx::Error> {
        let statement = Statement::from_string(read.get_database_backend(), LEFT);
        // A server that does not answer is told of elsewhere.
        let Ok(Some(left)) = read.query_one_raw(statement).await else {
            return Ok(());
        };
        let Ok(name) = left.try_get_by_index::<String>(0) else {
            return Ok(());
        };
        let mut sql = self.connect().await?;
        drop_slot(&mut sql, &name).await?;
        tracing::info!(service = %self.service, "the slot of a relay that is no more is given up");
        sql.close().await
    }

    fn is_too_much(&self, kept: u64) -> bool {
        let bytes = u32::try_from(kept / 1024).map_or(f64::MAX, |kib| f64::from(kib) * 1024.0);
        gauge!(metric_names::RELAY_KEPT, "service" => self.service.name()).set(bytes);
        kept > self.keeps_at_most
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut sql = self.address.connect(self.service, Use::Write).await?;
        sqlx::query(BRIEF).execute(&mut sql).await?;
        Ok(sql)
    }
}

impl Deref for Session {
    type Target = ReplicationClient;

    fn deref(&self) -> &ReplicationClient {
        &self.0
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut ReplicationClient {
        &mut self.0
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn name(sql: &mut PgConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar(NAME).fetch_one(sql).await
}

async fn state(sql: &mut PgConnection, name: &str) -> Result<Option<State>, sqlx::Error> {
    let row: Option<(bool, bool, i64, bool)> =
        sqlx::query_as(STATE).bind(name).fetch_optional(sql).await?;
    Ok(row.map(|(is_active, is_lost, kept, is_being_made)| State {
        is_active,
        is_lost,
        kept: u64::try_from(kept).unwrap_or(0),
        is_being_made,
    }))
}

async fn drop_slot(sql: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query(DROP).bind(name).execute(sql).await.map(drop)
}
