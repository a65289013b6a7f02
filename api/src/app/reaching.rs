//! Which of the servers that hold views this node reaches, and what follows from it: who feeds
//! views that several nodes share, and does not reach their server, leaves them to one that does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use projections::ViewStores;
use projections::documents;
use projections::search;
use store::cluster::roll::{Roll, TELLS_EVERY};
use store::{Lease, Striving};

use super::announcing::Note;
use crate::config::Role;

/// A server that takes longer is not reached.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// After this many looks in vain one after the other a node leaves the views to others: a server that
/// starts anew is back before.
const LOOKS_IN_VAIN: u32 = 3;

/// What a node found when it looked last.
#[derive(Debug, Default)]
pub(super) struct Reach(Mutex<BTreeSet<String>>);

impl Reach {
    /// The views on servers that this node does not reach.
    pub(super) fn unreached(&self) -> BTreeSet<String> {
        let unreached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unreached.clone()
    }

    /// Looks at the servers once.
    async fn look(&self, stores: &ViewStores) {
        let (documents, search) = (stores.documents.as_ref(), stores.search.as_ref());
        let looks = futures_util::future::join(
            is_reached(documents.is_shared(), documents.catalog()),
            is_reached(search.is_shared(), search.catalog()),
        );
        let (reaches_documents, reaches_search) = looks.await;

        let views = [
            (documents::VIEW, reaches_documents),
            (search::VIEW, reaches_search),
        ];
        let unreached = views.into_iter().filter(|(_, reached)| !reached);
        let unreached = unreached.map(|(view, _)| view.to_owned()).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = unreached;
    }
}

async fn is_reached<T, E>(is_shared: bool, looking: impl Future<Output = Result<T, E>>) -> bool {
    !is_shared
        || matches!(
            tokio::time::timeout(ANSWERS_WITHIN, looking).await,
            Ok(Ok(_))
        )
}

/// Looks again and again, until it is dropped; with the right to feed the views, which this node
/// gives up when another one is better off.
pub(super) async fn keep_looking(
    reach: Arc<Reach>,
    stores: ViewStores,
    roll: Arc<Roll>,
    feeding: Option<(Arc<Striving>, Lease)>,
) {
    let mut in_vain = 0;
    loop {
        reach.look(&stores).await;
        let unreached = reach.unreached();
        in_vain = match unreached.is_empty() {
            true => 0,
            false => in_vain + 1,
        };

        if let Some((striving, lease)) = &feeding
            && in_vain >= LOOKS_IN_VAIN
            && lease.is_held()
            && let Some(better) = better_off(&roll, &unreached)
        {
            tracing::warn!(
                views = ?unreached, better,
                "this node does not reach the server of views that it feeds, and leaves them to others"
            );
            striving.rest();
            in_vain = 0;
        }
        tokio::time::sleep(TELLS_EVERY).await;
    }
}

/// A node that feeds views, and reaches some of those that this one does not, and all others.
fn better_off(roll: &Roll, unreached: &BTreeSet<String>) -> Option<String> {
    let is_better = |note: &Note| {
        note.has(Role::Projections)
            && note.unreached.is_subset(unreached)
            && note.unreached.len() < unreached.len()
    };
    let nodes = roll.nodes().into_iter().filter(|heard| heard.is_present());
    let mut better = nodes.filter(|heard| {
        let note = serde_json::from_slice(&heard.note);
        note.is_ok_and(|note| is_better(&note))
    });
    better.next().map(|heard| heard.node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(nodes: &[(&str, &str, &[&str])]) -> Roll {
        let roll = Roll::default();
        for (node, role, unreached) in nodes {
            let note = serde_json::json!({
                "release": "1.0.0", "roles": [role], "services": [],
                "startedAt": "2026-01-01T00:00:00Z", "unreached": unreached,
            });
            roll.heard(node, note.to_string().as_bytes());
        }
        roll
    }

    #[test]
    fn views_are_left_only_to_a_node_that_is_better_off() {
        let all = BTreeSet::from(["documents".to_owned(), "search".to_owned()]);
        let one = BTreeSet::from(["search".to_owned()]);

        let down = heard(&[("a", "projections", &["documents", "search"])]);
        assert_eq!(better_off(&down, &all), None, "nobody reaches them");
        let half = heard(&[("a", "projections", &["documents"])]);
        assert_eq!(better_off(&half, &all).as_deref(), Some("a"));
        assert_eq!(better_off(&half, &one), None, "it lacks the other one");
        let others = heard(&[("a", "api", &[]), ("b", "projections", &[])]);
        assert_eq!(better_off(&others, &one).as_deref(), Some("b"));
        assert_eq!(better_off(&heard(&[("a", "actors", &[])]), &one), None);
    }
}
