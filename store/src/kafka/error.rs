//! What keeps a node from its Kafka. Once it is connected nothing does: the client reconnects.

use std::io;

/// Why a node cannot connect to Kafka.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// Nobody answers at these addresses; somebody may later.
    #[error("no Kafka broker answers at {brokers}")]
    Unreachable {
        /// As they are set.
        brokers: String,
        /// What the client says.
        source: rdkafka::error::KafkaError,
    },
    /// A client cannot be made of the settings.
    #[error("a Kafka client for {brokers} cannot be made")]
    Client {
        /// As they are set.
        brokers: String,
        /// What the client says.
        source: rdkafka::error::KafkaError,
    },
    /// A topic is missing, and the brokers do not create it.
    #[error("the Kafka topic {topic} is not there and cannot be created: {cause}")]
    Topic {
        /// Its name.
        topic: String,
        /// What the brokers say.
        cause: String,
    },
    /// A topic was created with another setting: its shards would lie in other partitions.
    #[error(
        "the Kafka topic {topic} has {found} partitions, but COUNTERFOIL_KAFKA_PARTITIONS \
        is {expected}: all nodes need the number that the topics were created with; a topic that \
        somebody else has created is to be deleted, the nodes create it anew"
    )]
    Partitions {
        /// Its name.
        topic: String,
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: i32,
    },
    /// Some records were sent and may not be there.
    #[error("{count} records were not acknowledged by Kafka: {cause}")]
    NotAcknowledged {
        /// How many, at most.
        count: usize,
        /// What the client says of the first.
        cause: String,
    },
    /// The settings contradict themselves.
    #[error("{0}")]
    Settings(String),
    /// The system gives no thread.
    #[error("no thread for Kafka")]
    Thread(#[from] io::Error),
}

impl KafkaError {
    /// Whether trying again later may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, KafkaError::Unreachable { .. } | KafkaError::Thread(_))
    }
}
