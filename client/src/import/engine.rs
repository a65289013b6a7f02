//! The loop of an import: takes lines in, keeps as many customers busy as allowed, counts what
//! ends, stops in order.
//!
//! One task owns the book, the schedule and the tally, so there is no lock; only requests run at
//! the same time. A bad line either stops the import (nothing new starts, what is in flight ends)
//! or is skipped; a node that cannot be reached always stops it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use super::book::{Admitted, Book, CustomerIndex, Placed};
use super::confirm::{self, Unconfirmed, Written};
use super::pace::Pace;
use super::player::{self, Effect, Played};
use super::progress::Progress;
use super::schedule::{Schedule, Task};
use super::source::Line;
use super::tally::{Summary, Tally};
use crate::ClientError;
use crate::http::Node;

/// Reads that confirm writes while the import runs; few, as they compete with it.
const CONFIRMING_MEANWHILE: usize = 4;

/// The same when nothing else is left to do.
const CONFIRMING_AT_THE_END: usize = 64;

/// How an import goes about its lines.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// At most this many customers have a line under way at once.
    pub most_at_once: usize,
    /// Skips bad lines and reports them, instead of stopping at the first.
    pub keep_going: bool,
}

/// What an import did, and what ended it before its end.
#[derive(Debug)]
pub struct Report {
    /// What was done, as far as it went.
    pub summary: Summary,
    /// What has stopped the import before the views showed all of it; absent when nothing has.
    pub failure: Option<ClientError>,
}

/// An import under way.
pub struct Engine {
    node: Node,
    options: Options,
    progress: Progress,
    book: Book,
    schedule: Schedule,
    unconfirmed: Unconfirmed,
    tally: Tally,
    failure: Option<ClientError>,
    pace: Pace,
    /// The node's push-backs at the last look.
    pushed_back: u64,
    playing: usize,
    confirming: usize,
}

/// Something that was under way has ended.
enum Ended {
    Line {
        customer: CustomerIndex,
        line: u64,
        advance: u64,
        took: Duration,
        result: Result<Played, ClientError>,
    },
    Confirmation(Result<(), ClientError>),
}

type UnderWay = FuturesUnordered<Pin<Box<dyn Future<Output = Ended> + Send>>>;

impl Engine {
    /// Nothing has been played yet.
    pub fn new(node: Node, options: Options, progress: Progress) -> Self {
        Self {
            pace: Pace::new(options.most_at_once, Instant::now()),
            pushed_back: node.pushed_back(),
            node,
            options,
            progress,
            book: Book::default(),
            schedule: Schedule::default(),
            unconfirmed: Unconfirmed::default(),
            tally: Tally::new(),
            failure: None,
            playing: 0,
            confirming: 0,
        }
    }

    /// Plays all lines, then waits until the views show what was written.
    pub async fn play(mut self, mut lines: mpsc::Receiver<Result<Line, ClientError>>) -> Report {
        let started = Instant::now();
        let mut under_way = UnderWay::new();
        let mut reading = true;

        loop {
            self.start_lines(&mut under_way);
            self.start_confirmations(&mut under_way, CONFIRMING_MEANWHILE, Unconfirmed::is_long);
            let stopped = self.failure.is_some();
            // After a failure wait only for requests that change something: a view that lags need
            // not hold up the message.
            if (stopped && self.playing == 0) || (!reading && under_way.is_empty()) {
                break;
            }
            tokio::select! {
                line = lines.recv(),
                    if reading && !stopped && self.schedule.has_room() => match line {
                    Some(Ok(line)) => self.take_in(line),
                    Some(Err(error)) => self.failure = Some(error),
                    None => reading = false,
                },
                Some(ended) = under_way.next(), if !under_way.is_empty() => self.take_back(ended),
            }
        }

        let playing = started.elapsed();
        self.confirm_all().await;

        self.progress.end();
        let confirming = started.elapsed().saturating_sub(playing);
        Report {
            summary: self.tally.summary(playing, confirming),
            failure: self.failure,
        }
    }

    fn take_in(&mut self, line: Line) {
        let Line {
            number,
            size,
            advance,
            entry,
        } = line;

        let admitted =
            entry.and_then(|entry| self.book.admit(&entry).map(|admitted| (admitted, entry)));

        match admitted {
            Ok((Admitted::To(customer), entry)) => self.schedule.push(
                customer,
                Task {
                    line: number,
                    size,
                    advance,
                    entry,
                },
            ),
            Ok((Admitted::Repeated, _)) => self.progress.advance(advance, self.tally.orders),
            Err(message) => self.bad_line(number, advance, message),
        }
    }

    fn start_lines(&mut self, under_way: &mut UnderWay) {
        while self.failure.is_none() && self.playing < self.pace.limit() {
            // Views that lag hold the import up, and so do few customers; neither is the node's
            // pace.
            if self.unconfirmed.is_full() {
                self.pace.had_room();
                return;
            }
            let Some((customer, task)) = self.schedule.start_next() else {
                self.pace.had_room();
                return;
            };

            let Task {
                line,
                advance,
                entry,
                ..
            } = task;

            match self.book.resolve(customer, entry) {
                Ok(command) => {
                    self.playing += 1;
                    let node = self.node.clone();
                    under_way.push(Box::pin(async move {
                        let begun = Instant::now();
                        let result = player::play(&node, command).await;
                        Ended::Line {
                            customer,
                            line,
                            advance,
                            took: begun.elapsed(),
                            result,
                        }
                    }));
                }
                Err(message) => {
                    self.schedule.finished(customer);
                    self.bad_line(line, advance, message);
                }
            }
        }
    }

    fn start_confirmations(
        &mut self,
        under_way: &mut UnderWay,
        at_once: usize,
        wanted: fn(&Unconfirmed) -> bool,
    ) {
        while self.failure.is_none() && self.confirming < at_once && wanted(&self.unconfirmed) {
            let Some(batch) = self.unconfirmed.take_batch() else {
                return;
            };

            self.confirming += 1;

            let node = self.node.clone();
            under_way.push(Box::pin(async move {
                Ended::Confirmation(confirm::confirm(&node, &batch).await)
            }));
        }
    }

    fn take_back(&mut self, ended: Ended) {
        match ended {
            Ended::Line {
                customer,
                line,
                advance,
                took,
                result,
            } => {
                self.playing = self.playing.saturating_sub(1);
                let pushed_back = self.node.pushed_back();
                self.pace
                    .ended(Instant::now(), took, pushed_back > self.pushed_back);
                self.pushed_back = pushed_back;

                match result {
                    Ok(played) => {
                        self.record(customer, played);
                        self.progress.advance(advance, self.tally.orders);
                    }
                    // The node understood and refused: the line is at fault. Anything else concerns
                    // every line.
                    Err(ClientError::Refused(problem)) if problem.status < 500 => {
                        self.bad_line(line, advance, problem.to_string())
                    }
                    Err(error) => self.stop(error),
                }

                self.schedule.finished(customer);
            }
            Ended::Confirmation(result) => {
                self.confirming = self.confirming.saturating_sub(1);
                if let Err(error) = result {
                    self.stop(error);
                }
            }
        }
    }

    fn record(&mut self, customer: CustomerIndex, played: Played) {
        let mut order_id: Option<Uuid> = None;

        match played.effect {
            Effect::CustomerOpened { id } => {
                self.tally.customers += 1;
                self.book.customer_opened(customer, id);
            }
            Effect::OrderPlaced {
                reference,
                id,
                state,
                reason,
                took,
            } => {
                order_id = Some(id);
                self.book.order_is(&reference, Placed { id, state });
                self.tally.order_placed(state, reason, took);
            }
            Effect::OrderCancelled {
                reference,
                id,
                state,
            }
            | Effect::OrderShipped {
                reference,
                id,
                state,
            } => {
                order_id = Some(id);
                let before = self.book.order_is(&reference, Placed { id, state });
                self.tally.order_changed(before, state);
            }
            Effect::CancelRefused => self.tally.refused.cancel_refused += 1,
            Effect::ShipRefused => self.tally.refused.ship_refused += 1,
        }

        if let (Some(token), Some(customer_id)) = (played.token, self.book.customer_id(customer)) {
            self.unconfirmed.push(Written {
                token,
                customer_id,
                order_id,
            });
        }
    }

    fn bad_line(&mut self, line: u64, advance: u64, message: String) {
        if self.options.keep_going {
            self.progress
                .note(&format!("line {line} skipped: {message}"));
        } else {
            self.stop(ClientError::ImportStopped {
                line,
                message: message.clone(),
            });
        }
        self.tally.skipped(line, message);
        self.progress.advance(advance, self.tally.orders);
    }

    /// Tells only the first failure; those in flight with it mostly have the same cause.
    fn stop(&mut self, error: ClientError) {
        self.failure.get_or_insert(error);
    }

    async fn confirm_all(&mut self) {
        if self.failure.is_some() {
            return;
        }
        self.progress.waiting_for_views();
        let mut under_way = UnderWay::new();
        loop {
            self.start_confirmations(&mut under_way, CONFIRMING_AT_THE_END, |_| true);
            let Some(ended) = under_way.next().await else {
                return;
            };
            self.take_back(ended);
        }
    }
}
