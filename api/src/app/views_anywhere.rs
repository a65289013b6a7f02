//! What operators do with views, at whichever node they ask: one that does not feed a view that
//! several nodes share asks the one that does.
//!
//! A wish and its answer may be lost on the way. Then the operator hears that it is not known what
//! has become of it, and repeats it; with its key, it has its effect once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors::RequestBinding;
use futures_util::future::LocalBoxFuture;
use projections::{documents, search};
use serde::{Deserialize, Serialize};
use store::Lease;
use store::kafka::Kafka;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::announcing::Note;
use super::operated_views::OperatedViews;
use super::view_deeds::{Before, Deed, Done, ViewDeeds};
use crate::config::{Config, DocumentsBackend, SearchBackend};
use crate::ports::{ReadError, ReadFuture};

/// How long the node that feeds the view may take. What goes through it is begun there, not done.
const ANSWERS_WITHIN: Duration = Duration::from_secs(6);

/// What one node tells another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Word {
    Asks { id: Uuid, from: String, wish: Wish },
    Answers { id: Uuid, outcome: DeedOutcome },
}

/// What is to be done with a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    view: String,
    deed: Deed,
    by: Option<RequestBinding>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum DeedOutcome {
    /// The generation, or the version of the entity, and whether it answers already.
    Done {
        number: u64,
        answers: bool,
    },
    NotFound,
    Conflict(String),
    KeyReused,
    Rebuilding,
    Unavailable,
    Failed,
}

/// The views of a node that has others beside it.
pub(super) struct ViewsAnywhere {
    node_id: String,
    here: OperatedViews,
    kafka: Arc<Kafka>,
    /// Held while this node feeds the views on servers.
    lease: Lease,
    on_servers: Vec<&'static str>,
    awaited: Mutex<HashMap<Uuid, oneshot::Sender<DeedOutcome>>>,
}

impl ViewsAnywhere {
    pub(super) fn new(
        config: &Config,
        here: OperatedViews,
        kafka: Arc<Kafka>,
        lease: Lease,
    ) -> Self {
        let views = [
            (
                documents::VIEW,
                config.documents_url != DocumentsBackend::Embedded,
            ),
            (search::VIEW, config.search_url != SearchBackend::Embedded),
        ];
        let on_servers = views.into_iter().filter(|(_, is_on_server)| *is_on_server);
        ViewsAnywhere {
            node_id: config.node_id.clone(),
            here,
            kafka,
            lease,
            on_servers: on_servers.map(|(view, _)| view).collect(),
            awaited: Mutex::default(),
        }
    }

    /// Takes in what other nodes tell, as long as any can. Must be called inside an actix system.
    pub(super) async fn listen(self: Arc<Self>, mut words: mpsc::Receiver<Vec<u8>>) {
        while let Some(word) = words.recv().await {
            match serde_json::from_slice(&word) {
                Ok(Word::Asks { id, from, wish }) => {
                    let this = Arc::clone(&self);
                    actix_rt::spawn(async move {
                        let outcome = this.carry_out_wish(wish).await;
                        this.tell(&from, &Word::Answers { id, outcome });
                    });
                }
                Ok(Word::Answers { id, outcome }) => {
                    let asker = self.lock().remove(&id);
                    // Whoever asked may have gone.
                    drop(asker.map(|asker| asker.send(outcome)));
                }
                Err(error) => {
                    tracing::warn!(error = %error, "a word of another node cannot be read");
                }
            }
        }
    }

    async fn carry_out_wish(&self, Wish { view, deed, by }: Wish) -> DeedOutcome {
        match self.here.carry_out(&view, deed, by).await {
            Ok(Done { number, answers }) => DeedOutcome::Done { number, answers },
            Err(error) => DeedOutcome::of(error),
        }
    }

    /// Whether another node is to be asked about this view.
    fn is_fed_elsewhere(&self, view: &str) -> bool {
        self.on_servers.contains(&view) && !self.lease.is_held()
    }

    /// Asks the node that feeds the views.
    async fn ask(&self, wish: Wish) -> Result<Done, ReadError> {
        let view = wish.view.clone();
        let unavailable = || ReadError::Unavailable { view: view.clone() };
        let feeding = self.feeding().ok_or_else(unavailable)?;

        let id = Uuid::now_v7();
        let (asker, answered) = oneshot::channel();
        self.lock().insert(id, asker);
        let from = self.node_id.clone();
        self.tell(&feeding, &Word::Asks { id, from, wish });

        let answered = tokio::time::timeout(ANSWERS_WITHIN, answered).await;
        self.lock().remove(&id);
        match answered {
            Ok(Ok(outcome)) => outcome.told_of(&view),
            _ => Err(unavailable()),
        }
    }

    /// The node that feeds the views on servers, as it has told.
    fn feeding(&self) -> Option<String> {
        let nodes = self.kafka.roll().nodes().into_iter();
        let mut feeding = nodes.filter(|heard| {
            let note = serde_json::from_slice::<Note>(&heard.note);
            heard.is_present() && note.is_ok_and(|note| note.feeds_views)
        });
        feeding.next().map(|heard| heard.node)
    }

    fn tell(&self, node: &str, word: &Word) {
        match serde_json::to_vec(word) {
            Ok(word) => self.kafka.tell(node, &word),
            Err(error) => tracing::error!(error = %error, "a word has no JSON form"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, oneshot::Sender<DeedOutcome>>> {
        // Nothing panics while it holds the lock.
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeedOutcome {
    fn of(error: ReadError) -> Self {
        match error {
            ReadError::NotFound(_) => DeedOutcome::NotFound,
            ReadError::Conflict(what) => DeedOutcome::Conflict(what),
            ReadError::KeyReused => DeedOutcome::KeyReused,
            ReadError::Rebuilding { .. } => DeedOutcome::Rebuilding,
            ReadError::Failed => DeedOutcome::Failed,
            _ => DeedOutcome::Unavailable,
        }
    }

    /// The same at the node that has asked about this view.
    fn told_of(self, view: &str) -> Result<Done, ReadError> {
        let view = view.to_owned();
        match self {
            DeedOutcome::Done { number, answers } => Ok(Done { number, answers }),
            // That there is such a view, this node knows.
            DeedOutcome::NotFound => Err(ReadError::NotFound("customer or order in the view")),
            DeedOutcome::Conflict(what) => Err(ReadError::Conflict(what)),
            DeedOutcome::KeyReused => Err(ReadError::KeyReused),
            DeedOutcome::Rebuilding => Err(ReadError::Rebuilding { view }),
            DeedOutcome::Unavailable => Err(ReadError::Unavailable { view }),
            DeedOutcome::Failed => Err(ReadError::Failed),
        }
    }
}

impl ViewDeeds for ViewsAnywhere {
    fn carry_out<'a>(
        &'a self,
        view: &'a str,
        deed: Deed,
        by: Option<RequestBinding>,
    ) -> ReadFuture<'a, Done> {
        if !self.is_fed_elsewhere(view) {
            return self.here.carry_out(view, deed, by);
        }
        let view = view.to_owned();
        Box::pin(async move { self.ask(Wish { view, deed, by }).await })
    }

    fn before<'a>(&'a self, view: &'a str, deed: Deed) -> LocalBoxFuture<'a, Option<Before>> {
        self.here.before(view, deed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_a_wish_is_the_same_wherever_it_is_carried_out() {
        let view = || "documents".to_owned();
        for error in [
            ReadError::NotFound("customer or order in the view"),
            ReadError::Conflict("none is kept".to_owned()),
            ReadError::KeyReused,
            ReadError::Rebuilding { view: view() },
            ReadError::Unavailable { view: view() },
            ReadError::Failed,
        ] {
            let told = DeedOutcome::of(error.clone());
            let json = serde_json::to_string(&told).unwrap();
            let heard: DeedOutcome = serde_json::from_str(&json).unwrap();
            assert_eq!(heard.told_of("documents"), Err(error), "{json}");
        }
    }
}
