//! Who may go next: lines of one customer one after the other, customers in turn, and a bound on
//! what waits.
//!
//! Pure bookkeeping without clock or network. A customer is given out at most once at a time; after
//! each of its lines it goes to the end of those that are ready, so that none starves the others.

use std::collections::VecDeque;

use super::book::CustomerIndex;
use super::line::Entry;

/// Bytes of lines that may wait. A file sorted by customer fills the queue of one with it, which is
/// why it is not small.
const MOST_QUEUED_BYTES: usize = 16 * 1024 * 1024;

/// A line on its way.
#[derive(Debug)]
pub struct Task {
    /// Its number in the input.
    pub line: u64,
    /// The length of its text, in bytes; it bounds what waits.
    pub size: usize,
    /// How far the progress moves when the line has ended, in bytes of the file.
    pub advance: u64,
    /// What it asks for.
    pub entry: Entry,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Task>,
    running: bool,
}

/// The lines that wait, and the customers who may go next.
#[derive(Debug, Default)]
pub struct Schedule {
    queues: Vec<Queue>,
    ready: VecDeque<CustomerIndex>,
    queued_bytes: usize,
}

impl Schedule {
    /// Whether more lines may be read.
    pub fn has_room(&self) -> bool {
        self.queued_bytes < MOST_QUEUED_BYTES
    }

    /// Puts a line behind the others of its customer.
    pub fn push(&mut self, customer: CustomerIndex, task: Task) {
        if self.queues.len() <= customer.0 {
            self.queues.resize_with(customer.0 + 1, Queue::default);
        }
        self.queued_bytes += task.size;
        let Some(queue) = self.queues.get_mut(customer.0) else {
            return;
        };
        if !queue.running && queue.waiting.is_empty() {
            self.ready.push_back(customer);
        }
        queue.waiting.push_back(task);
    }

    /// The next line of a customer none of whose lines is under way.
    pub fn start_next(&mut self) -> Option<(CustomerIndex, Task)> {
        let customer = self.ready.pop_front()?;
        let queue = self.queues.get_mut(customer.0)?;
        let task = queue.waiting.pop_front()?;
        queue.running = true;
        self.queued_bytes = self.queued_bytes.saturating_sub(task.size);
        Some((customer, task))
    }

    /// The customer's line has ended; its next one may go.
    pub fn finished(&mut self, customer: CustomerIndex) {
        let Some(queue) = self.queues.get_mut(customer.0) else {
            return;
        };
        queue.running = false;
        if queue.waiting.is_empty() {
            // The buffer of a long queue is given back: most customers are done for good.
            queue.waiting = VecDeque::new();
        } else {
            self.ready.push_back(customer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(line: u64) -> Task {
        Task {
            line,
            size: 10,
            advance: 10,
            entry: Entry::Ship {
                order: line.to_string(),
            },
        }
    }

    fn started(schedule: &mut Schedule) -> Vec<u64> {
        std::iter::from_fn(|| schedule.start_next())
            .map(|(_, task)| task.line)
            .collect()
    }

    #[test]
    fn one_customer_has_one_line_under_way_and_keeps_its_order() {
        let (a, b) = (CustomerIndex(0), CustomerIndex(1));

        let mut schedule = Schedule::default();
        for (customer, line) in [(a, 1), (a, 2), (b, 3), (a, 4), (b, 5)] {
            schedule.push(customer, task(line));
        }

        assert_eq!(started(&mut schedule), [1, 3]);
        schedule.finished(b);
        assert_eq!(started(&mut schedule), [5]);
        schedule.finished(a);
        assert_eq!(started(&mut schedule), [2]);
        schedule.finished(b);
        schedule.finished(a);
        schedule.push(b, task(6));
        assert_eq!(started(&mut schedule), [4, 6]);
    }

    #[test]
    fn what_waits_is_bounded_and_makes_room_when_it_starts() {
        let mut schedule = Schedule::default();
        let big = Task {
            size: MOST_QUEUED_BYTES,
            ..task(1)
        };
        assert!(schedule.has_room());
        schedule.push(CustomerIndex(0), big);
        assert!(!schedule.has_room());
        schedule.start_next().unwrap();
        assert!(schedule.has_room());
    }
}
