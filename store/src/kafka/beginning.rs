//! Where the partitions of shards are read from that a node gains.
//!
//! Nothing waits for a partition that has no leader, or whose broker does not answer: it is read
//! from wherever it ends once somebody can be asked. What is sent to it until then its shards read
//! from the outbox, as they do with all that was sent before; and whoever asks them something
//! meanwhile hears nothing, and repeats.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::current_time_millis;
use sagas::Service;

use super::clients::{Complaints, PATIENCE};
use super::ends::{self, offsets};
use super::reading::Questions;
use super::topics::{Topic, Topics};

/// How old a question may be of which a new owner still tells that its shard has moved: as long as
/// callers wait. The node that asked has its own clock, so this is not exact; who hears it twice
/// has asked again already, and who does not hear it has no answer, and repeats.
const QUESTIONS: Duration = Duration::from_secs(5);

/// What is read of partitions for a tenure.
pub(super) struct Beginning {
    /// Messages from now on, questions from a little earlier.
    pub(super) list: TopicPartitionList,
    pub(super) own: Vec<((Service, i32), Questions)>,
}

/// What the brokers tell of those partitions that have a leader.
struct Known {
    messages: TopicPartitionList,
    questions: TopicPartitionList,
    /// The first questions that are not too old, where there are some.
    recent: TopicPartitionList,
}

impl Beginning {
    /// Blocks, but not for long.
    pub(super) fn find(
        (consumer, complaints): (&BaseConsumer<Complaints>, &Complaints),
        topics: &Topics,
        service: Service,
        (partitions, tenure): (&BTreeSet<i32>, u64),
    ) -> KafkaResult<Self> {
        let inbox = topics.name(Topic::Inbox(service)).unwrap_or_default();
        let requests = topics.name(Topic::Requests(service)).unwrap_or_default();
        let known = Known::ask(consumer, (inbox, requests), partitions);
        let known = known.unwrap_or_else(|error| {
            complaints.tell(&format!("where partitions of {service} end: {error}"));
            Known::nothing()
        });

        let mut list = TopicPartitionList::new();
        let mut own = Vec::new();
        for &partition in partitions {
            let questions = known.questions(requests, partition, tenure);
            list.add_partition_offset(inbox, partition, known.messages_from(inbox, partition))?;
            let from = questions.map_or(Offset::End, |known| Offset::Offset(known.from));
            list.add_partition_offset(requests, partition, from)?;

            // From wherever it ends then, which is no earlier than it ends now.
            let all = Questions {
                tenure,
                from: 0,
                own_from: 0,
            };
            own.push(((service, partition), questions.unwrap_or(all)));
        }
        Ok(Beginning { list, own })
    }
}

impl Known {
    fn nothing() -> Self {
        let nothing = TopicPartitionList::new;
        Known {
            messages: nothing(),
            questions: nothing(),
            recent: nothing(),
        }
    }

    fn ask(
        consumer: &BaseConsumer<Complaints>,
        (inbox, requests): (&str, &str),
        partitions: &BTreeSet<i32>,
    ) -> KafkaResult<Self> {
        let began = Instant::now();
        let mut messages = TopicPartitionList::new();
        for partition in partitions {
            messages.add_partition(inbox, *partition);
        }
        let messages = ends::ends(consumer, &messages)?;

        // The group waits meanwhile, and what is not known of questions costs little.
        if began.elapsed() >= PATIENCE {
            return Ok(Known {
                messages,
                ..Known::nothing()
            });
        }

        // The clock of the machine, by which the client that sent it has stamped the record.
        let age = i64::try_from(QUESTIONS.as_millis()).unwrap_or(i64::MAX);
        let since = Offset::Offset(current_time_millis().saturating_sub(age));
        let asked = led(consumer, requests, partitions)?;
        Ok(Known {
            messages,
            questions: offsets(consumer, asked.clone(), Offset::End)?,
            recent: offsets(consumer, asked, since)?,
        })
    }

    fn messages_from(&self, inbox: &str, partition: i32) -> Offset {
        let end = self.messages.find_partition(inbox, partition);
        end.map_or(Offset::End, |end| end.offset())
    }

    fn questions(&self, requests: &str, partition: i32, tenure: u64) -> Option<Questions> {
        let end = self.questions.find_partition(requests, partition)?;
        let own_from = end.offset().to_raw().unwrap_or_default();
        let recent = self.recent.find_partition(requests, partition);
        // Without a question since then, there is no offset.
        let from = match recent.map(|recent| recent.offset()) {
            Some(Offset::Offset(offset)) => offset.min(own_from),
            _ => own_from,
        };
        Some(Questions {
            tenure,
            from,
            own_from,
        })
    }
}

/// Those of the partitions of a topic that have a leader.
fn led(
    consumer: &BaseConsumer<Complaints>,
    topic: &str,
    partitions: &BTreeSet<i32>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for partition in &ends::led(consumer.client(), topic)? & partitions {
        list.add_partition(topic, partition);
    }
    Ok(list)
}
