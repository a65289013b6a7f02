//! Searches that the server has given up. No real one can be made to do so at will, so one that
//! gives its answers stands in for it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::json;

use super::*;
use crate::search::elasticsearch::reader::ElasticsearchReader;
use crate::search::{SearchPage, SearchReader as _, TIME_LIMIT};

/// What a stand-in was asked: the first line, and the body.
type Asked = (String, Value);

/// Searches on a server that gives this answer, once, to whatever it is asked.
fn search(status: &str, answer: &Value) -> (Result<SearchPage, ViewError>, Asked) {
    let (address, asked) = stand_in(status, answer.to_string());
    let place = Place::without_server();
    let client = super::Client::new(&address).unwrap();
    let reader = ElasticsearchReader::new(client, place.names(), 1, place.runtime.handle().clone());

    let found = place
        .runtime
        .block_on(reader.search(SearchQuery::default()));
    (found, asked.recv().unwrap())
}

fn stand_in(status: &str, answer: String) -> (String, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        answer.len()
    );

    let (tell, asked) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        tell.send(read(&stream)).unwrap();
        stream.write_all((head + &answer).as_bytes()).unwrap();
    });
    (address, asked)
}

fn read(stream: &TcpStream) -> Asked {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.to_lowercase());
    }

    let length = lines
        .iter()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map(|length| length.trim().parse().unwrap());
    let mut body = vec![0; length.unwrap()];
    stream.read_exact(&mut body).unwrap();
    (lines.remove(0), serde_json::from_slice(&body).unwrap())
}

/// A failure of a search as Elasticsearch describes it: the cause itself is below.
fn failure(kind: &str, reason: &str) -> Value {
    let root = json!({ "type": kind, "reason": reason });
    json!({ "error": {
        "root_cause": [root],
        "type": "search_phase_execution_exception",
        "reason": "Partial shards failure",
        "phase": "query",
        "grouped": true,
        "failed_shards": [{ "shard": 0, "index": "orders", "reason": root }],
    } })
}

#[track_caller]
fn assert_timed_out(found: Result<SearchPage, ViewError>) {
    let Err(ViewError::TimedOut { limit, .. }) = found else {
        panic!("{found:?}")
    };
    assert_eq!(limit, TIME_LIMIT);
}

/// What has been found by then is a part: neither its hits nor its total may be shown.
#[test]
fn a_part_of_an_answer_is_none() {
    let part = json!({ "timed_out": true, "hits": { "total": { "value": 7 }, "hits": [] } });
    let (found, (asked, body)) = search("200 OK", &part);

    assert_timed_out(found);
    assert!(
        asked.contains("allow_partial_search_results=false"),
        "{asked}"
    );
    assert_eq!(body["timeout"], format!("{}ms", TIME_LIMIT.as_millis()));
}

#[test]
fn a_search_that_is_given_up_without_a_part_is_told_from_a_server_that_fails() {
    for (status, kind) in [
        (
            "500 Internal Server Error",
            "query_phase_execution_exception",
        ),
        ("504 Gateway Timeout", "search_timeout_exception"),
        ("429 Too Many Requests", "search_timeout_exception"),
    ] {
        let (found, _) = search(status, &failure(kind, "Time exceeded"));
        assert_timed_out(found);
    }

    let broken = failure("circuit_breaking_exception", "[parent] Data too large");
    let (found, _) = search("503 Service Unavailable", &broken);
    assert!(
        matches!(found, Err(ViewError::Unavailable { .. })),
        "{found:?}"
    );
}
