//! What operators see: sagas, quarantine, cluster, health.

mod actions;
pub(super) mod backlogs;
mod cluster;
mod health;
mod quarantine;
mod sagas;

use std::collections::BTreeSet;
use std::sync::Arc;

use actors::Node;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Service, Timestamp};
use projections::Views;
use store::cluster::roll::Roll;
use store::{Log, ServiceDatabase};
use uuid::Uuid;

use super::announcing::Identity;
use super::quarantine_causes::Needed;
use crate::config::{Config, Role};
use crate::ports::{Listed, ReadError};

/// Answers operators from the node, its views and the services' databases.
pub(super) struct Operations {
    identity: Arc<Identity>,
    /// The nodes that have told of themselves; none where a node is alone.
    roll: Option<Arc<Roll>>,
    roles: BTreeSet<Role>,
    /// Services whose shards this node may own.
    owned: BTreeSet<Service>,
    node: Arc<Node>,
    views: Arc<Views>,
    databases: Arc<[ServiceDatabase]>,
    log: Arc<dyn Log>,
    /// What waits for an operator, as it was seen last.
    needed: Arc<Needed>,
}

impl Operations {
    pub(super) fn new(
        (config, identity): (&Config, &Arc<Identity>),
        (node, roll): (&Arc<Node>, Option<Arc<Roll>>),
        views: &Arc<Views>,
        databases: &[ServiceDatabase],
        log: Arc<dyn Log>,
        needed: Arc<Needed>,
    ) -> Self {
        Operations {
            identity: Arc::clone(identity),
            roll,
            roles: config.roles.clone(),
            owned: config.owned_services(),
            node: Arc::clone(node),
            views: Arc::clone(views),
            databases: databases.into(),
            log,
            needed,
        }
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
