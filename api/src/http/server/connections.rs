//! The connections of one worker thread, and the bound on their number.
//!
//! When there are as many as may be, a newcomer is let in all the same, and the connection that has
//! been at rest longest goes: otherwise whoever opens connections and leaves them would keep health
//! checks out. Where none is at rest, a few more are let in, for one request each. Beyond these a
//! newcomer hears `503`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::Write;
use std::rc::Rc;

use actix_web::rt::net::TcpStream;
use metrics::{Counter, Gauge, counter, gauge};

use super::connection::{Connection, Patience, Stream};
use crate::metric_names as names;

/// One in this many of the places is there in addition, for newcomers while all others are at work.
const RESERVE: usize = 8;

/// How many there may be with the reserve.
pub const fn most(limit: usize) -> usize {
    limit + limit.div_ceil(RESERVE)
}

/// What a newcomer hears who finds no place. It is sent without the request having been read.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\n\
    content-length: 149\r\n\
    cache-control: no-store\r\n\
    retry-after: 1\r\n\
    connection: close\r\n\r\n\
    {\"type\":\"urn:counterfoil:problem:overloaded\",\"title\":\"Overloaded\",\"status\":503,\
    \"detail\":\"too many connections are open and at work; try again later\"}";

/// The connections of one worker thread.
pub struct Connections {
    limit: usize,
    patience: Patience,
    open: RefCell<HashMap<u64, Rc<Connection>>>,
    last: Cell<u64>,
    shown: Gauge,
    dismissed: Counter,
    refused: Counter,
}

impl Connections {
    /// At most `limit` of them may stay.
    pub fn new(limit: usize, patience: Patience) -> Rc<Self> {
        Rc::new(Connections {
            limit,
            patience,
            open: RefCell::default(),
            last: Cell::new(0),
            shown: gauge!(names::CONNECTIONS),
            dismissed: counter!(names::CONNECTIONS_DISMISSED),
            refused: counter!(names::CONNECTIONS_REFUSED),
        })
    }

    /// Lets a newcomer in; `None` when there is no place, which it has been told.
    pub fn enter(self: &Rc<Self>, socket: TcpStream) -> Option<Stream> {
        let count = self.open.borrow().len();
        if count >= self.limit && !self.dismiss_one() && count >= most(self.limit) {
            self.refused.increment(1);
            // Whoever cannot take it in at once sees the connection close, which says the same.
            let _ = socket.into_std().map(|mut socket| socket.write(FULL));
            return None;
        }

        let number = self.last.get() + 1;
        self.last.set(number);
        let connection = Rc::new(Connection::new(self.patience));
        self.open
            .borrow_mut()
            .insert(number, Rc::clone(&connection));
        self.shown.increment(1);

        Some(Stream::new(
            socket,
            connection,
            Place {
                number,
                all: Rc::clone(self),
            },
        ))
    }

    /// Closes the connection that has been at rest longest; one whose client is in the middle of a
    /// request only where all others are at work.
    fn dismiss_one(&self) -> bool {
        let open = self.open.borrow();
        let at_rest = open
            .values()
            .filter_map(|connection| connection.at_rest().map(|rest| (rest, connection)))
            .min_by_key(|(rest, _)| *rest);

        if let Some((_, connection)) = at_rest {
            connection.dismiss();
            self.dismissed.increment(1);
        }
        at_rest.is_some()
    }

    /// Whether there are more than may stay.
    pub fn crowded(&self) -> bool {
        self.open.borrow().len() > self.limit
    }
}

/// The place of one connection; gives it back when dropped.
pub struct Place {
    number: u64,
    all: Rc<Connections>,
}

impl Place {
    /// The connections among which this is one.
    pub const fn all(&self) -> &Rc<Connections> {
        &self.all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.open.borrow_mut().remove(&self.number);
        self.all.shown.decrement(1);
    }
}
