//! Processors that take one piece of work after another, in the order in which it comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Cores, each by when it is free, in microseconds.
#[derive(Debug)]
pub struct Processors {
    free: BinaryHeap<Reverse<u64>>,
}

impl Processors {
    pub fn new(cores: usize) -> Self {
        Processors {
            free: std::iter::repeat_n(Reverse(0), cores.max(1)).collect(),
        }
    }

    /// When work is done that comes now, by one core.
    pub fn done(&mut self, now: u64, work: u64) -> u64 {
        let Reverse(free) = self.free.pop().unwrap_or(Reverse(0));
        let done = free.max(now) + work;
        self.free.push(Reverse(done));
        done
    }
}
