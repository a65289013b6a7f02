//! What the headers of questions, answers and words say. Messages have those of CloudEvents
//! ([`super::record`]).

use rdkafka::message::{BorrowedMessage, Headers, Message as _, OwnedHeaders};
use sagas::{Service, ShardId};

use super::record::With;

/// Whom an answer is for stands in the key; which service it is from, here.
pub(super) const SERVICE: &str = "service";

/// What a node tells another one that answers no question to a service.
pub(super) const WORD: &str = "word";

/// To which shard a question is.
pub(super) const SHARD: &str = "shard";

/// The headers of a question.
pub(super) fn question_headers(shard: ShardId) -> OwnedHeaders {
    OwnedHeaders::new().with(SHARD, &shard.to_string())
}

/// The headers of an answer.
pub(super) fn answer_headers(service: Service) -> OwnedHeaders {
    OwnedHeaders::new().with(SERVICE, service.name())
}

/// The headers of a word from node to node.
pub(super) fn word_headers() -> OwnedHeaders {
    OwnedHeaders::new().with(WORD, "1")
}

/// The value of a header.
pub(super) fn header<'a>(record: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let mut headers = record.headers()?.iter();
    let value = headers.find(|header| header.key == name)?.value?;
    std::str::from_utf8(value).ok()
}
