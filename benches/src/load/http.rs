//! Framing of HTTP/1.1 answers: where the head ends, how long the body is, and the three headers
//! the generator uses.
//!
//! Pure, so that split reads can be tested. It understands answers with a `Content-Length` only: a
//! chunked answer is refused by name, because silently mixing up two answers would falsify a
//! measurement.

use std::ops::Range;
use std::time::Duration;

/// Headers an answer may have; more is refused.
const MAX_HEADERS: usize = 48;

/// A whole answer inside the buffer it was read into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The HTTP status.
    pub status: u16,
    /// Where the body lies in the buffer.
    pub body: Range<usize>,
    /// Place of the `Consistency-Token`'s value.
    pub token: Option<Range<usize>>,
    /// The `Retry-After` header.
    pub retry_after: Option<Duration>,
    /// The server closes the connection after this answer.
    pub close: bool,
}

/// Why bytes are not an answer this generator can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is no HTTP at all.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(httparse::Error),
    /// It has a `Transfer-Encoding`, so that nothing tells its length beforehand.
    #[error("the answer is chunked; only answers with a content-length are understood")]
    Chunked,
    /// It has no `Content-Length` that can be used, and its status is not `204`.
    #[error("the answer has no usable content-length")]
    NoLength,
    /// After it come this many bytes more, and nobody has asked for more.
    #[error("the answer is followed by {0} bytes nobody asked for")]
    Trailing(usize),
}

/// The frame of the answer at the start of `buffer`, or `None` while bytes are missing.
pub fn frame(buffer: &[u8]) -> Result<Option<Frame>, FrameError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];

    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(buffer).map_err(FrameError::NotHttp)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };

    let status = response.code.unwrap_or_default();
    let mut length = if status == 204 { Some(0) } else { None };

    let mut frame = Frame {
        status,
        body: head..head,
        token: None,
        retry_after: None,
        close: false,
    };

    for header in response.headers.iter() {
        // By length first: most headers are none of these, and comparing without regard to case
        // costs more.
        match header.name.len() {
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                length = number(header.value)
            }
            17 if header.name.eq_ignore_ascii_case("consistency-token") => {
                frame.token = Some(place_of(header.value, buffer));
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                return Err(FrameError::Chunked);
            }
            11 if header.name.eq_ignore_ascii_case("retry-after") => {
                frame.retry_after = number(header.value)
                    .and_then(|s| u64::try_from(s).ok())
                    .map(Duration::from_secs);
            }
            10 if header.name.eq_ignore_ascii_case("connection") => {
                frame.close = header.value.eq_ignore_ascii_case(b"close");
            }
            _ => {}
        }
    }

    let end = length
        .and_then(|length| head.checked_add(length))
        .ok_or(FrameError::NoLength)?;
    frame.body = head..end;

    match buffer.len().checked_sub(end) {
        None => Ok(None),
        Some(0) => Ok(Some(frame)),
        Some(more) => Err(FrameError::Trailing(more)),
    }
}

fn number(value: &[u8]) -> Option<usize> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// Where `part`, a slice of `whole`, lies in it; kept as a range so that the buffer can be borrowed
/// again.
fn place_of(part: &[u8], whole: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 201 Created\r\ncontent-length: 9\r\nConsistency-Token: c.1\r\n\r\n{\"a\": 1 }";

    #[test]
    fn an_answer_read_in_any_two_pieces_is_complete_only_with_the_last_byte() {
        for cut in 0..ANSWER.len() {
            assert_eq!(frame(&ANSWER[..cut]), Ok(None), "cut at {cut}");
        }
        let whole = frame(ANSWER).unwrap().unwrap();
        assert_eq!(whole.status, 201);
        assert_eq!(&ANSWER[whole.body], b"{\"a\": 1 }");
        assert_eq!(&ANSWER[whole.token.unwrap()], b"c.1");
        assert!(!whole.close);
    }

    #[test]
    fn a_chunked_answer_is_refused() {
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(frame(chunked), Err(FrameError::Chunked));
    }

    #[test]
    fn an_answer_without_a_length_is_refused_unless_it_has_no_body_by_its_status() {
        assert_eq!(frame(b"HTTP/1.1 200 OK\r\n\r\n"), Err(FrameError::NoLength));
        assert_eq!(
            frame(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
            Err(FrameError::NoLength)
        );
        assert_eq!(
            frame(b"HTTP/1.1 204 No Content\r\n\r\n")
                .unwrap()
                .unwrap()
                .status,
            204
        );
    }

    #[test]
    fn bytes_beyond_the_answer_are_refused() {
        let mut twice = ANSWER.to_vec();
        twice.extend_from_slice(b"HT");
        assert_eq!(frame(&twice), Err(FrameError::Trailing(2)));
    }

    #[test]
    fn an_overloaded_server_says_how_long_to_stay_away() {
        let busy = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\n\
              content-length: 0\r\n\r\n";
        let frame = frame(busy).unwrap().unwrap();
        assert_eq!(frame.retry_after, Some(Duration::from_secs(2)));
        assert!(frame.close);
    }

    #[test]
    fn what_is_not_http_is_refused() {
        assert!(matches!(
            frame(b"SSH-2.0-OpenSSH\r\n"),
            Err(FrameError::NotHttp(_))
        ));
    }
}
