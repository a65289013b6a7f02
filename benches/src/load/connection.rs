//! One keep-alive connection with one request under way, whose buffer is used again for every
//! answer.
//!
//! Written by hand because the generator shares two cores with the server: a general HTTP client
//! costs more per request than the server's own HTTP layer. No pipelining, no TLS, no redirects.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http::{Frame, FrameError, frame};
use super::options::Target;

/// Servers close connections that were idle for some seconds; after this long, look at the
/// connection first.
const IDLE: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const BUFFER: usize = 2 * 1024;

/// Why there is no answer. Whether the request had an effect is then unknown.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The node takes no connection.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The connection ended in the middle of the exchange.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The node has ended the connection without a word.
    #[error("the server closed the connection before it answered")]
    Closed,
    /// There was no connection, or no whole answer, within this time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The answer is none that this generator can read.
    #[error(transparent)]
    Unreadable(#[from] FrameError),
}

/// An answer, still in the connection's buffer.
#[derive(Debug)]
pub struct HttpAnswer<'a> {
    frame: Frame,
    buffer: &'a [u8],
}

impl<'a> HttpAnswer<'a> {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.frame.status
    }

    /// The body's bytes.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.buffer.get(self.frame.body.clone()).unwrap_or_default()
    }

    /// The `Consistency-Token`, empty when the server sent none.
    #[must_use]
    pub fn token(&self) -> &str {
        let value = self
            .frame
            .token
            .clone()
            .and_then(|place| self.buffer.get(place))
            .unwrap_or_default();
        std::str::from_utf8(value).unwrap_or_default()
    }

    /// The `Retry-After` header, in seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.frame.retry_after
    }
}

/// A connection to one node, opened with its first request.
#[derive(Debug)]
pub struct Connection {
    authority: String,
    timeout: Duration,
    stream: Option<TcpStream>,
    used: Instant,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects with the first request.
    #[must_use]
    pub fn new(target: &Target, timeout: Duration) -> Self {
        Connection {
            authority: target.authority.clone(),
            timeout,
            stream: None,
            used: Instant::now(),
            buffer: Vec::with_capacity(BUFFER),
        }
    }

    /// Sends the bytes of one request and waits for its answer. After an error the next exchange
    /// connects anew.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<HttpAnswer<'_>, ExchangeError> {
        let result = match tokio::time::timeout(self.timeout, self.send(request)).await {
            Ok(result) => result,
            Err(_) => Err(ExchangeError::TimedOut(self.timeout)),
        };
        let keep = result.as_ref().is_ok_and(|frame| !frame.close);
        if !keep {
            self.stream = None;
        }
        result.map(|frame| HttpAnswer {
            frame,
            buffer: &self.buffer,
        })
    }

    /// A query; `headers` are whole lines, each with its line end.
    pub async fn get(
        &mut self,
        path: &str,
        headers: &str,
    ) -> Result<HttpAnswer<'_>, ExchangeError> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n",
            self.authority
        );
        self.exchange(request.as_bytes()).await
    }

    async fn send(&mut self, request: &[u8]) -> Result<Frame, ExchangeError> {
        if self.used.elapsed() > IDLE && self.stream.as_ref().is_some_and(was_closed) {
            self.stream = None;
        }

        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(connect(&self.authority).await?),
        };

        self.buffer.clear();
        stream.write_all(request).await?;

        let frame = loop {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ExchangeError::Closed);
            }
            if let Some(frame) = frame(&self.buffer)? {
                break frame;
            }
        };

        self.used = Instant::now();

        Ok(frame)
    }
}

async fn connect(authority: &str) -> Result<TcpStream, ExchangeError> {
    let stream = match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(authority)).await {
        Ok(result) => result.map_err(ExchangeError::Connect)?,
        Err(_) => return Err(ExchangeError::TimedOut(CONNECT_TIMEOUT)),
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether the other side ended an idle connection. Anything to read there is no answer of ours
/// either.
fn was_closed(stream: &TcpStream) -> bool {
    let mut byte = [0];
    !matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
