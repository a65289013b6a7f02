//! Making what fails smaller: which pieces of a list to leave out, halves first.

use std::ops::Range;

/// The pieces of a list, one after the other, and ever smaller ones.
#[derive(Debug)]
pub struct Pieces {
    from: usize,
    size: usize,
}

impl Pieces {
    /// Those of a list that is so long.
    #[must_use]
    pub fn of(length: usize) -> Self {
        Pieces {
            from: 0,
            size: length.div_ceil(2),
        }
    }

    /// The next piece to do without, of a list that is so long by now. It is the same place again
    /// until the piece is gone, or [stays](Pieces::stays).
    pub fn next(&mut self, length: usize) -> Option<Range<usize>> {
        while self.size > 0 {
            if self.from < length {
                return Some(self.from..length.min(self.from + self.size));
            }
            self.from = 0;
            self.size /= 2;
        }
        None
    }

    /// The piece that was given last is needed.
    pub fn stays(&mut self) {
        self.from += self.size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_list_only_what_is_needed_is_left() {
        for needed in [
            vec![],
            vec![0],
            vec![6],
            vec![2, 5],
            vec![0, 1, 2, 3, 4, 5, 6],
        ] {
            let mut list: Vec<usize> = (0..7).collect();
            let mut pieces = Pieces::of(list.len());

            while let Some(piece) = pieces.next(list.len()) {
                let mut less = list.clone();
                less.drain(piece);
                match needed.iter().all(|item| less.contains(item)) {
                    true => list = less,
                    false => pieces.stays(),
                }
            }
            assert_eq!(list, needed);
        }
    }
}
