//! What callers hear whose request cannot be parsed.
//!
//! actix-http answers these itself, before any route: a status and no body, told to nobody but the
//! log. The stream below it is the one place where such an answer can be seen. It is known by its
//! status and its empty body, which no answer of ours has together.

use std::net::SocketAddr;

use actix_web::ResponseError;
use actix_web::body::MessageBody;
use metrics::counter;

use crate::http::Problem;
use crate::metric_names as names;

/// The problem to send in the place of these bytes; `None` when they are anything but an answer to
/// a request that could not be parsed. Counts it.
pub fn problem_for(bytes: &[u8], peer: impl FnOnce() -> Option<SocketAddr>) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(bytes.strip_suffix(b"\r\n\r\n")?).ok()?;
    let (status_line, headers) = head.split_once("\r\n")?;

    let (_, status) = status_line.split_once(' ')?;
    let problem = match status.split(' ').next()? {
        "400" => Problem::malformed("the request is not written as HTTP/1.1 has it"),
        "408" => Problem::head_too_slow(),
        "431" => Problem::head_too_large(),
        _ => return None,
    };
    // A client that pipelines may have an answer of ours in the same bytes.
    if headers.contains("\r\n\r\n") {
        return None;
    }
    let is_empty = |header: &str| header.eq_ignore_ascii_case("content-length: 0");
    if !headers.split("\r\n").any(is_empty) {
        return None;
    }

    let status = problem.status_code();
    counter!(names::UNPARSED, "status" => status.as_str().to_owned()).increment(1);
    tracing::debug!(
        peer = peer().map(tracing::field::display),
        status = status.as_u16(),
        "a request cannot be parsed"
    );

    let body = problem.error_response().into_body().try_into_bytes().ok()?;
    let head = format!(
        "{status_line}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nconnection: close\r\n\r\n",
        body.len()
    );
    Some([head.as_bytes(), &body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_librarys_own_answers_become_problems_and_no_others_do() {
        for status in [
            "400 Bad Request",
            "408 Request Timeout",
            "431 Request Header Fields",
        ] {
            let own = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\ndate: now\r\n\r\n");
            let problem = String::from_utf8(problem_for(own.as_bytes(), || None).unwrap()).unwrap();
            let (head, body) = problem.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
                "{head}"
            );
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
            assert!(
                body.contains(&format!("\"status\":{}", &status[..3])),
                "{body}"
            );
        }

        for other in [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 9\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}\
             HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            "\r\n\r\n",
            "",
        ] {
            assert_eq!(problem_for(other.as_bytes(), || None), None, "{other}");
        }
    }
}
