//! One connection, bounded in time.
//!
//! actix-http bounds the head of a connection's first request and the rest between two requests. It
//! does not bound the head of a later request, nor the rest of a chunked body that nobody reads,
//! nor an answer that nobody takes. The stream below it does: while the node works on no request
//! of the connection, it ends within the time for what its client has to do next. The end looks to
//! actix-http as if the client had closed its side.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::connections::{Connections, Place};
use super::unparsed;

/// How long a client may go on sending after the last answer of its connection.
pub const LINGER: Duration = Duration::from_secs(5);

/// actix-http answers the first head that comes too late; it must find the stream still there.
const SLACK: Duration = Duration::from_secs(1);

/// How long a client may take for what it has to do next.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To begin the next request, and to take the answer to the last.
    pub idle: Duration,
    /// To send the head of a request, once it has begun.
    pub receive: Duration,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Nothing has come since it was opened.
    New,
    /// Nothing has come since the last answer was made.
    Idle,
    /// A request comes in, or the rest of a body that nobody reads.
    Receiving,
    /// The node works on a request.
    Working,
    /// The last answer has been made.
    Closing,
    /// It must go, to make room.
    Dismissed,
}

/// What the stream, the requests and the table of connections know of one connection.
pub struct Connection {
    patience: Patience,
    doing: Cell<Doing>,
    /// Since when, unless the node works.
    since: Cell<Instant>,
    /// Wakes the task that serves the connection.
    waker: Cell<Option<Waker>>,
}

impl Connection {
    /// A connection that has just come.
    pub fn new(patience: Patience) -> Self {
        Connection {
            patience,
            doing: Cell::new(Doing::New),
            since: Cell::new(Instant::now()),
            waker: Cell::new(None),
        }
    }

    fn begin(&self, doing: Doing) {
        self.doing.set(doing);
        // Nobody asks how long the node has worked.
        if doing != Doing::Working {
            self.since.set(Instant::now());
        }
    }

    /// Has it end at once. A client whose next request is on its way sees what it would have seen a
    /// moment later, had the connection been idle for too long.
    pub fn dismiss(&self) {
        self.begin(Doing::Dismissed);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Since when nothing is done for it, if so; those with nothing under way come first.
    pub fn at_rest(&self) -> Option<(bool, Instant)> {
        match self.doing.get() {
            Doing::New | Doing::Idle => Some((false, self.since.get())),
            Doing::Receiving => Some((true, self.since.get())),
            Doing::Working | Doing::Closing | Doing::Dismissed => None,
        }
    }

    /// Something has come from the client.
    fn received(&self) {
        if matches!(self.doing.get(), Doing::New | Doing::Idle) {
            self.begin(Doing::Receiving);
        }
    }

    /// When it ends, if nothing happens.
    fn ends_at(&self) -> Option<Instant> {
        let Patience { idle, receive } = self.patience;
        let within = match self.doing.get() {
            Doing::Working => return None,
            Doing::Idle => idle + SLACK,
            Doing::New | Doing::Receiving => receive + SLACK,
            Doing::Closing => LINGER.min(receive),
            Doing::Dismissed => Duration::ZERO,
        };
        Some(self.since.get() + within)
    }

    /// Whether a client that still sends has had its time: whoever sends without a pause is never
    /// waited for.
    fn has_sent_too_long(&self) -> bool {
        let sends = [Doing::Receiving, Doing::Closing, Doing::Dismissed];
        sends.contains(&self.doing.get()) && self.ends_at().is_some_and(|end| Instant::now() >= end)
    }
}

/// The socket of a connection, which ends when its time is over.
pub struct Stream {
    socket: TcpStream,
    connection: Rc<Connection>,
    /// Most often early: it is set back only where it would be late.
    timer: Pin<Box<Sleep>>,
    place: Place,
}

impl Stream {
    /// It holds the connection's place until it is dropped.
    pub fn new(socket: TcpStream, connection: Rc<Connection>, place: Place) -> Self {
        let first_look = connection.ends_at().unwrap_or_else(Instant::now);
        Stream {
            socket,
            connection,
            timer: Box::pin(sleep_until(first_look)),
            place,
        }
    }

    /// What a request knows of its connection.
    pub fn under(&self) -> Under {
        Under {
            connection: Rc::clone(&self.connection),
            all: Rc::clone(self.place.all()),
        }
    }

    /// Ready when the time is over; otherwise the task is woken then.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.waker.set(Some(cx.waker().clone()));
        let Some(end) = self.connection.ends_at() else {
            return Poll::Pending;
        };

        loop {
            if self.timer.is_elapsed() || self.timer.deadline() > end {
                if Instant::now() >= end {
                    return Poll::Ready(());
                }
                self.timer.as_mut().reset(end);
            }
            ready!(self.timer.as_mut().poll(cx));
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.connection.has_sent_too_long() {
            return Poll::Ready(Ok(()));
        }

        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        match read {
            Poll::Pending => {
                ready!(self.poll_end(cx));
                Poll::Ready(Ok(()))
            }
            Poll::Ready(result) => {
                if buffer.filled().len() > before {
                    self.connection.received();
                }
                Poll::Ready(result)
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let peer = || self.socket.peer_addr().ok();
        let written = match unparsed::problem_for(bytes, peer) {
            // It is short, and the last of its connection: it goes out as a whole or not at all.
            Some(problem) => Pin::new(&mut self.socket)
                .poll_write(cx, &problem)
                .map_ok(|_| bytes.len()),
            None => Pin::new(&mut self.socket).poll_write(cx, bytes),
        };
        // An answer is on its way: from now on the client has to do something.
        let end = self.poll_end(cx);

        if written.is_pending() && end.is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// The connection under a request.
pub struct Under {
    connection: Rc<Connection>,
    all: Rc<Connections>,
}

impl Under {
    /// The node works on a request from now on, however long that takes.
    pub fn works(&self) {
        self.connection.begin(Doing::Working);
    }

    /// The body of a request comes in: it is the client's turn.
    pub fn receives(&self) {
        self.connection.begin(Doing::Receiving);
    }

    /// Whether there are more connections than may stay.
    pub fn crowded(&self) -> bool {
        self.all.crowded()
    }

    /// The answer is made; `last` when the connection closes behind it.
    pub fn answered(&self, last: bool) {
        self.connection
            .begin(if last { Doing::Closing } else { Doing::Idle });
    }
}
