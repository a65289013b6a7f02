//! Where a node takes in what other nodes have sent.

use std::sync::Arc;

use sagas::{Service, ShardId};
use store::Message;
use store::cluster::{Arrivals, Transport};
use store::log::cluster::ClusterLog;
use tokio::sync::mpsc;

use crate::requests::{Doors, NotTakenIn};

/// A node's log and doors, as other nodes see them.
#[derive(Debug)]
pub struct NodeArrivals {
    /// Takes in messages.
    pub log: Arc<ClusterLog>,
    /// Take in questions and answers.
    pub doors: Doors,
    /// The way back for answers.
    pub transport: Arc<dyn Transport>,
    /// Takes in what is about no shard. What comes while it is full is dropped.
    pub words: mpsc::Sender<Vec<u8>>,
}

impl Arrivals for NodeArrivals {
    fn arrived(&self, messages: Vec<Message>) {
        self.log.arrived(messages);
    }

    fn asked(&self, shard: ShardId, tenure: u64, question: &[u8]) {
        let transport = Arc::clone(&self.transport);
        note(self.doors.asked(shard, tenure, question, transport));
    }

    fn asked_before(&self, shard: ShardId, tenure: u64, question: &[u8]) {
        let transport = Arc::clone(&self.transport);
        note(self.doors.asked_before(shard, tenure, question, transport));
    }

    fn answered(&self, service: Service, answer: &[u8]) {
        note(self.doors.answered(service, answer));
    }

    fn told(&self, word: &[u8]) {
        if let Err(error) = self.words.try_send(word.to_vec()) {
            tracing::warn!(error = %error, "a word of another node is not taken in");
        }
    }
}

/// Whoever waits for it has no answer, and asks again.
fn note(taken_in: Result<(), NotTakenIn>) {
    if let Err(error) = taken_in {
        tracing::warn!(error = %error, "what another node has sent is not taken in");
    }
}
