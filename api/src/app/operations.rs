//! What operators see: sagas, quarantine, cluster, health.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actors::Node;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::saga::{Action, Step, StepRecord};
use domain::{MessageId, SagaId, Service, ShardId, Timestamp};
use futures_util::future::LocalBoxFuture;
use projections::Views;
use store::inspection::{SagaFilter, list_sagas};
use store::journal::Standing;
use store::sagas::StoredSaga;
use store::shards::Ownership;
use store::{Clock, Destination, Log, Positions, ServiceDatabase, parking, shards};
use uuid::Uuid;

use super::history::read_error;
use crate::config::Config;
use crate::ports::{
    Cluster, ClusterState, Health, Listed, NodeState, Page, Parked, Quarantine, ReadError,
    ReadFuture, Readiness, SagaDetails, SagaQuery, SagaStep, Sagas, ShardState,
};

/// A store whose writes have failed for less is not called standing still: one may fail now and
/// then, and is done again.
const STANDS_STILL_AFTER: Duration = Duration::from_secs(1);

pub(super) struct Operations {
    node_id: String,
    roles: Vec<String>,
    services: Vec<String>,
    started_at: Timestamp,
    node: Arc<Node>,
    views: Arc<Views>,
    databases: Arc<[ServiceDatabase]>,
    log: Arc<dyn Log>,
}

impl Operations {
    pub(super) fn new(
        config: &Config,
        node: &Arc<Node>,
        views: &Arc<Views>,
        databases: &[ServiceDatabase],
        log: Arc<dyn Log>,
    ) -> Self {
        Operations {
            node_id: config.node_id.clone(),
            roles: config
                .roles
                .iter()
                .map(|role| role.name().to_owned())
                .collect(),
            services: config
                .services
                .iter()
                .map(|service| service.name().to_owned())
                .collect(),
            started_at: Clock::system().now(),
            node: Arc::clone(node),
            views: Arc::clone(views),
            databases: databases.into(),
            log,
        }
    }

    fn orders(&self) -> Result<&ServiceDatabase, ReadError> {
        self.databases
            .iter()
            .find(|database| database.service == domain::ORDERS)
            .ok_or(ReadError::StoreUnavailable)
    }

    async fn shard_states(
        &self,
        database: &ServiceDatabase,
        backlogs: &HashMap<ShardId, u64>,
    ) -> Result<Vec<ShardState>, ReadError> {
        let owners = shards::owners(database).await.map_err(read_error)?;

        let state = |owned: Ownership| ShardState {
            service: owned.shard.service.name().to_owned(),
            shard: owned.shard.number,
            owner: Some(owned.owner),
            epoch: owned.epoch,
            outbox_sequence: self.log.published(owned.shard),
            // The embedded log is the outbox itself: what is committed is published.
            outbox_backlog: 0,
            inbox_backlog: backlogs.get(&owned.shard).copied().unwrap_or(0),
        };

        Ok(owners.into_iter().map(state).collect())
    }

    /// How many messages wait for each shard. Only sources of which somebody has not all are asked.
    async fn inbox_backlogs(&self) -> Result<HashMap<ShardId, u64>, ReadError> {
        let mut behind: HashMap<ShardId, Positions> = HashMap::new();

        for database in self.databases.iter() {
            for owned in shards::owners(database).await.map_err(read_error)? {
                let receiver = owned.shard;
                let reached = shards::positions(database, receiver).await;
                let reached = reached.map_err(read_error)?;
                for source in self.log.sources() {
                    let stream = store::SourceStream::messages(source);
                    let position = reached.get(&stream).copied().unwrap_or(0);
                    if position < self.log.head(source, Destination::Shard(receiver)) {
                        behind.entry(source).or_default().insert(receiver, position);
                    }
                }
            }
        }

        let mut backlogs = HashMap::new();

        for (source, positions) in behind {
            let waiting = self.log.backlog(source, &positions).await;
            for (receiver, count) in waiting.map_err(read_error)? {
                *backlogs.entry(receiver).or_insert(0) += count;
            }
        }

        Ok(backlogs)
    }
}

/// A cursor: the time and id of the last item of its page.
fn write_cursor(time: Timestamp, id: Uuid) -> String {
    let mut bytes = time.micros().to_be_bytes().to_vec();
    bytes.extend_from_slice(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_cursor(cursor: &str) -> Result<(Timestamp, Uuid), ReadError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| ReadError::InvalidCursor)?;
    let (time, id) = bytes
        .split_first_chunk::<8>()
        .ok_or(ReadError::InvalidCursor)?;
    let id = Uuid::from_slice(id).map_err(|_| ReadError::InvalidCursor)?;
    Ok((Timestamp::from_micros(i64::from_be_bytes(*time)), id))
}

/// A page from one item more than it shows.
fn page_of<T>(mut items: Vec<T>, limit: usize, key: impl Fn(&T) -> (Timestamp, Uuid)) -> Listed<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| {
        let (time, id) = key(last);
        write_cursor(time, id)
    });
    Listed { items, next }
}

fn shown_saga(stored: StoredSaga) -> SagaDetails {
    let saga = stored.saga;

    let steps = saga
        .definition()
        .steps
        .iter()
        .zip(&saga.steps)
        .map(shown_step)
        .collect();

    SagaDetails {
        saga_id: saga.id,
        kind: saga.kind,
        state: saga.state,
        order_id: saga.order_id,
        started_at: saga.started_at,
        updated_at: saga.updated_at,
        ended_at: saga.ended_at,
        deadline: Some(saga.deadline),
        attempts: saga.attempts,
        steps,
        version: saga.version,
    }
}

fn shown_step((step, record): (&Step, &StepRecord)) -> SagaStep {
    SagaStep {
        name: step.name.to_owned(),
        kind: match step.action {
            Action::Local(_) => "local".to_owned(),
            Action::Remote { participant, .. } => participant.name().to_owned(),
        },
        state: record.state,
        at: record.at,
        detail: record.detail.clone(),
    }
}

impl Sagas for Operations {
    fn list(&self, query: SagaQuery) -> ReadFuture<'_, Listed<SagaDetails>> {
        Box::pin(async move {
            let before = query.page.cursor.as_deref().map(read_cursor).transpose()?;
            let before = before.map(|(time, id)| (time, SagaId(id)));

            let filter = SagaFilter {
                kind: query.kind,
                state: query.state,
                before,
            };

            let limit = query.page.limit;
            let found = list_sagas(self.orders()?, filter, limit + 1)
                .await
                .map_err(read_error)?;

            let sagas = found.into_iter().map(shown_saga).collect();
            Ok(page_of(sagas, limit, |saga: &SagaDetails| {
                (saga.started_at, saga.saga_id.0)
            }))
        })
    }

    fn show(&self, id: SagaId) -> ReadFuture<'_, SagaDetails> {
        Box::pin(async move {
            let mut found = store::sagas::load(self.orders()?, &[id])
                .await
                .map_err(read_error)?;
            let stored = found.remove(&id).ok_or(ReadError::NotFound("saga"))?;
            stored.map(shown_saga).map_err(read_error)
        })
    }
}

fn shown_parked(service: Service, parked: parking::Parked, behind: u64) -> Parked {
    let message = &parked.message;

    let shard = match message.destination {
        Destination::Shard(shard) => shard.number,
        Destination::Events => 0,
    };

    Parked {
        id: parked.id,
        service: service.name().to_owned(),
        shard,
        entity_type: match service {
            domain::CUSTOMERS => "customer".to_owned(),
            _ => "saga".to_owned(),
        },
        entity_id: message.entity,
        message_type: message.name.clone().into_owned(),
        messages: behind,
        attempts: parked.attempts,
        since: parked.parked_at,
        cause: parked.cause.unwrap_or_default(),
    }
}

impl Quarantine for Operations {
    fn list(&self, page: Page) -> ReadFuture<'_, Listed<Parked>> {
        Box::pin(async move {
            let after = page.cursor.as_deref().map(read_cursor).transpose()?;
            let mut all = Vec::new();

            for database in self.databases.iter() {
                let quarantined = parking::list_quarantined(database, after, page.limit + 1)
                    .await
                    .map_err(read_error)?;
                for parked in quarantined {
                    let behind = parking::count_of(database, parked.message.entity)
                        .await
                        .map_err(read_error)?;
                    all.push(shown_parked(database.service, parked, behind));
                }
            }

            all.sort_by_key(|parked| (parked.since, parked.id));

            Ok(page_of(all, page.limit, |parked: &Parked| {
                (parked.since, parked.id.0)
            }))
        })
    }

    fn show(&self, id: MessageId) -> ReadFuture<'_, Parked> {
        Box::pin(async move {
            for database in self.databases.iter() {
                if let Some(parked) = parking::find(database, id).await.map_err(read_error)? {
                    let behind = parking::count_of(database, parked.message.entity)
                        .await
                        .map_err(read_error)?;
                    return Ok(shown_parked(database.service, parked, behind));
                }
            }
            Err(ReadError::NotFound("quarantined message"))
        })
    }
}

impl Cluster for Operations {
    fn state(&self) -> ReadFuture<'_, ClusterState> {
        Box::pin(async move {
            let backlogs = self.inbox_backlogs().await?;
            let mut shards = Vec::new();
            for database in self.databases.iter() {
                shards.extend(self.shard_states(database, &backlogs).await?);
            }

            let actors: usize = self
                .node
                .snapshot()
                .iter()
                .map(|shard| shard.live_actors)
                .sum();

            let node = NodeState {
                node_id: self.node_id.clone(),
                roles: self.roles.clone(),
                services: self.services.clone(),
                started_at: self.started_at,
                actors: u64::try_from(actors).unwrap_or(u64::MAX),
            };

            Ok(ClusterState {
                node_id: self.node_id.clone(),
                nodes: vec![node],
                shards,
            })
        })
    }
}

impl Health for Operations {
    fn readiness(&self) -> LocalBoxFuture<'_, Readiness> {
        Box::pin(async move {
            let mut readiness = Readiness::default();

            for (service, Standing { since, cause }) in self.node.standing() {
                if since.elapsed() >= STANDS_STILL_AFTER {
                    let missing = format!("the {service} database stands still: {cause}");
                    readiness.missing.push(missing);
                }
            }

            let (open, all) = self.node.open_shards();
            if open < all {
                readiness
                    .missing
                    .push(format!("{} of {all} shards are not open yet", all - open));
            }

            let mut causes: BTreeMap<String, usize> = BTreeMap::new();
            for (_, cause) in self.node.troubles() {
                *causes.entry(cause).or_default() += 1;
            }
            let causes = causes
                .into_iter()
                .map(|(cause, shards)| format!("{shards} shards have trouble: {cause}"));
            // Shards that are open and reload are back soon.
            if open < all {
                readiness.missing.extend(causes);
            } else {
                readiness.degraded.extend(causes);
            }

            let troubles = self.views.all().filter_map(|view| view.trouble());
            readiness.degraded.extend(troubles);

            readiness
        })
    }
}
