//! Looks at the stores every few seconds and shows what waits there as gauges: backlogs, sagas that
//! have not ended, parked messages, files.
//!
//! A scrape only reads the gauges, so it asks no store and never waits for one. When a store does
//! not answer, its gauges stay as they were, and a counter says so.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actors::Node;
use domain::{SERVICES, saga};
use metrics::{counter, gauge};
use projections::Views;
use sagas::SagaState;
use store::parking::ParkedState;
use store::{Log, ServiceDatabase, StoreError, census};
use tokio::time::Instant;

use super::operations::backlogs::Backlogs;
use super::quarantine_causes::{Needed, Shown};
use crate::metric_names as names;

/// How often it looks: more often than most scrape.
const EVERY: Duration = Duration::from_secs(5);
/// A long look, as over large backlogs, is followed by a rest of this many times its length, so
/// that it takes no time from the work it looks at.
const REST_PER_LOOK: u32 = 20;
const LONGEST_REST: Duration = Duration::from_secs(30);
/// The states of a saga that has not ended.
const OPEN: [SagaState; 3] = [
    SagaState::Running,
    SagaState::Compensating,
    SagaState::Stuck,
];
/// Everything in the data folder that is not a service's database belongs to the views.
const VIEWS: &str = "views";

/// Looks at what a node works on.
pub struct Observer {
    /// Its open shards and its journals are looked at.
    pub node: Arc<Node>,
    /// What they cannot take in waits for an operator, too.
    pub views: Arc<Views>,
    /// Open sagas, parked messages and backlogs are counted in them.
    pub databases: Vec<ServiceDatabase>,
    /// Tells how far outboxes have come, for the backlogs.
    pub log: Arc<dyn Log>,
    /// The folder whose files are measured.
    pub data_dir: PathBuf,
    /// What waits for an operator, for whoever asks.
    pub needed: Arc<Needed>,
}

impl Observer {
    /// Looks again and again, until it is dropped.
    pub async fn run(self) {
        let failures = counter!(names::UNOBSERVED);
        let mut causes = Shown::default();

        loop {
            let start = Instant::now();
            self.show_node();
            let folder = self.data_dir.clone();
            let measured = tokio::task::spawn_blocking(move || show_files(&folder)).await;
            let looked = tokio::time::timeout(EVERY, self.show_stores(&mut causes)).await;

            if !matches!((measured, looked), (Ok(Ok(())), Ok(Ok(())))) {
                failures.increment(1);
            }

            let rest = start.elapsed().saturating_mul(REST_PER_LOOK);
            tokio::time::sleep(rest.clamp(EVERY, LONGEST_REST)).await;
        }
    }

    /// What the node knows without asking anybody.
    fn show_node(&self) {
        let (open, all) = self.node.open_shards();
        gauge!(names::SHARDS_OPEN).set(number(open));
        gauge!(names::SHARDS).set(number(all));

        let standing = self.node.standing();
        for service in SERVICES {
            let stands = standing.iter().any(|(which, _)| *which == service);
            gauge!(names::STANDS_STILL, "service" => service.name()).set(u32::from(stands));
        }
    }

    async fn show_stores(&self, causes: &mut Shown) -> Result<(), StoreError> {
        let stuck = show_sagas(&self.databases).await?;
        self.needed.stuck.store(stuck, Ordering::Relaxed);
        show_parked(&self.databases).await?;
        causes
            .show(&self.databases, &self.views, &self.needed)
            .await?;

        let backlogs = Backlogs::count(&self.databases, &self.log).await?;
        for service in SERVICES {
            for (metric, by_shard) in [
                (names::OUTBOX_BACKLOG, &backlogs.outbox),
                (names::INBOX_BACKLOG, &backlogs.inbox),
            ] {
                let of_service = by_shard
                    .iter()
                    .filter(|(shard, _)| shard.service == service);
                let waiting = of_service.map(|(_, count)| count).sum::<u64>();
                gauge!(metric, "service" => service.name()).set(number(waiting));
            }
        }
        Ok(())
    }
}

/// Shows what there is none of, too: a gauge that was left out would keep its former value. Gives
/// the number of those that are stuck.
async fn show_sagas(databases: &[ServiceDatabase]) -> Result<u64, StoreError> {
    let mut counts: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for kind in saga::TYPES {
        for state in OPEN {
            counts.insert((kind.to_owned(), state.name()), 0);
        }
    }

    for database in databases {
        for count in census::open_sagas(database).await? {
            if let Some(state) = OPEN.iter().find(|state| state.name() == count.state) {
                *counts.entry((count.kind, state.name())).or_insert(0) += count.number;
            }
        }
    }

    let is_stuck = |(_, state): &(String, &str)| *state == SagaState::Stuck.name();
    let stuck = counts.iter().filter(|(key, _)| is_stuck(key));
    let stuck = stuck.map(|(_, count)| count).sum();

    for ((kind, state), count) in counts {
        gauge!(names::OPEN_SAGAS, "type" => kind, "state" => state).set(number(count));
    }
    Ok(stuck)
}

async fn show_parked(databases: &[ServiceDatabase]) -> Result<(), StoreError> {
    for database in databases {
        let counts = census::parked_messages(database).await?;
        for state in [ParkedState::Waiting, ParkedState::Quarantined] {
            let of_state = counts.iter().find(|count| count.state == state.name());
            let count = of_state.map_or(0, |count| count.number);
            let labels = [
                ("service", database.service.name()),
                ("state", state.name()),
            ];
            gauge!(names::PARKED, &labels).set(number(count));
        }
    }
    Ok(())
}

/// Sizes in the data folder, and what its disk has left.
fn show_files(folder: &Path) -> io::Result<()> {
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for service in SERVICES {
        for suffix in ["db", "db-wal"] {
            sizes.insert(format!("{service}.{suffix}"), 0);
        }
    }
    sizes.insert(VIEWS.to_owned(), 0);

    for entry in fs::read_dir(folder)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = if sizes.contains_key(&name) {
            name.as_str()
        } else {
            VIEWS
        };
        if let Some(size) = sizes.get_mut(name) {
            *size += size_of(&entry.path());
        }
    }

    for (file, size) in sizes {
        gauge!(names::FILE_BYTES, "file" => file).set(number(size));
    }

    let disk = rustix::fs::statvfs(folder)?;
    gauge!(names::DISK_AVAILABLE).set(number(disk.f_bavail.saturating_mul(disk.f_frsize)));
    gauge!(names::DISK_SIZE).set(number(disk.f_blocks.saturating_mul(disk.f_frsize)));
    Ok(())
}

/// The bytes of a file, or of all files in a folder. What goes away meanwhile has none.
fn size_of(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| size_of(&entry.path())).sum()
        }
        Ok(found) => found.len(),
        Err(_) => 0,
    }
}

/// As gauges take it: exact up to 2^53, which is more bytes than a disk has.
pub(super) fn number(count: impl TryInto<u64>) -> f64 {
    let count = count.try_into().unwrap_or(u64::MAX);
    let part = |bits: u64| u32::try_from(bits).map_or(0.0, f64::from);
    part(count >> 32) * 4_294_967_296.0 + part(count & 0xFFFF_FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_counts_stay_exact() {
        for count in [0_u64, 1, 4_294_967_295, 4_294_967_296, 1 << 52] {
            assert_eq!(format!("{:.0}", number(count)), count.to_string());
        }
    }

    #[test]
    fn a_folder_has_the_size_of_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        fs::write(folder.path().join("a"), [0; 10]).unwrap();
        fs::write(folder.path().join("in/b"), [0; 5]).unwrap();
        assert_eq!(size_of(folder.path()), 15);
        assert_eq!(size_of(&folder.path().join("gone")), 0);
    }
}
