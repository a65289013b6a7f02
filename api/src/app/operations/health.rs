//! Whether the node can take commands: from what its parts know, without asking a store.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::{SERVICES, Service};
use futures_util::future::LocalBoxFuture;
use store::cluster::Participation;
use store::cluster::roll::Heard;
use store::journal::Standing;

use super::Operations;
use crate::app::announcing::Note;
use crate::config::Role;
use crate::ports::{Health, Readiness};

/// A store stands still when its writes have failed for longer than this: one may fail now and
/// then, and is repeated.
const STANDS_STILL_AFTER: Duration = Duration::from_secs(1);

impl Operations {
    /// The services of which a node that takes commands owns no shards, and no other node is there
    /// that may.
    fn without_owners(&self) -> Vec<String> {
        if !self.roles.contains(&Role::Api) {
            return Vec::new();
        }
        let present = |heard: Heard| {
            let note = heard
                .is_present()
                .then(|| serde_json::from_slice::<Note>(&heard.note));
            note?.ok()
        };
        let nodes = self.roll.iter().flat_map(|roll| roll.nodes());
        let others: Vec<Note> = nodes.filter_map(present).collect();

        let is_owned = |service: &Service| {
            let own = self.owned.contains(service);
            own || others.iter().any(|note| note.owns(service.name()))
        };
        let orphans = SERVICES.iter().filter(|service| !is_owned(service));
        let told = orphans.map(|service| format!("no node that owns {service} is there"));
        told.collect()
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
            let takes_commands = self.roles.iter().any(|role| *role != Role::Projections);
            let cut_off = match self.node.participation() {
                Participation::Full => None,
                Participation::Unheard => Some("what this node tells the others does not arrive"),
                Participation::OutOfTouch => Some("this node takes part in no group of nodes"),
            };
            let cut_off = cut_off.map(|what| format!("{what}: is Kafka away?"));
            // It goes on with the shards that it has, as long as nobody else takes them; and views
            // are fed from the databases.
            match all > 0 || !takes_commands {
                true => readiness.degraded.extend(cut_off),
                false => readiness.missing.extend(cut_off),
            }
            readiness.missing.extend(self.without_owners());
            if open < all {
                readiness
                    .missing
                    .push(format!("{} of {all} shards are not open yet", all - open));
            }
            let not_begun = self.node.not_begun();
            if not_begun > 0 {
                readiness.missing.push(format!(
                    "{not_begun} shards are given to this node, which cannot read what Kafka has \
                     for them"
                ));
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

            let quarantined = self.needed.quarantined.load(Ordering::Relaxed);
            if quarantined > 0 {
                readiness.degraded.push(format!(
                    "{quarantined} messages wait in quarantine, and their entities with them: see \
                     /quarantine/causes"
                ));
            }

            let in_views = self.needed.in_views.load(Ordering::Relaxed);
            if in_views > 0 {
                readiness.degraded.push(format!(
                    "{in_views} entities wait in the quarantine of a view, which shows them as they were \
                     before: see /views/quarantine"
                ));
            }

            let stuck = self.needed.stuck.load(Ordering::Relaxed);
            if stuck > 0 {
                readiness.degraded.push(format!(
                    "{stuck} sagas are stuck, and wait for an operator: see /sagas?state=STUCK"
                ));
            }

            let troubles = self.views.all().filter_map(|view| view.trouble());
            match takes_commands {
                true => readiness.degraded.extend(troubles),
                // It is there for nothing else.
                false => readiness.missing.extend(troubles),
            }

            readiness
        })
    }
}
