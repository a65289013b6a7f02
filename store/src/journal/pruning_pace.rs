//! How many rows are pruned at once.
//!
//! Between two commits the journal prunes once at most. So that it keeps up with any rate, it looks
//! at twice the rows that a commit adds at least; so that commits do not wait for it, it takes no
//! longer than they do.

use std::time::Duration;

use super::commit_store::Pruned;

/// Rows looked at in one transaction.
const FEWEST: u32 = 500;
const MOST: u32 = 32_768;
/// As long as this it may take whatever commits do.
const BRIEF: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct PruningPace {
    rows: u32,
    /// The units of the newest commit, and how long it took.
    units: u32,
    commit: Duration,
}

impl Default for PruningPace {
    fn default() -> Self {
        PruningPace {
            rows: FEWEST,
            units: 0,
            commit: Duration::ZERO,
        }
    }
}

impl PruningPace {
    /// How many rows to look at next.
    pub(super) fn rows(&self) -> u32 {
        let at_least = FEWEST.max(self.units.saturating_mul(2));
        self.rows.max(at_least).min(MOST)
    }

    pub(super) fn committed(&mut self, units: usize, duration: Duration) {
        self.units = u32::try_from(units).unwrap_or(u32::MAX);
        self.commit = duration;
    }

    pub(super) fn pruned(&mut self, pruned: Pruned, duration: Duration) {
        let allowed = self.commit.max(BRIEF);

        if duration > allowed {
            self.rows = (self.rows() / 2).max(FEWEST);
        } else if pruned.more && duration < allowed / 2 {
            self.rows = (self.rows() * 2).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MORE: Pruned = Pruned {
        rows: 1,
        more: true,
    };

    #[test]
    fn it_looks_at_more_while_that_is_quick_and_at_less_when_commits_would_wait() {
        let mut pace = PruningPace::default();
        assert_eq!(pace.rows(), FEWEST);

        for _ in 0..20 {
            pace.pruned(MORE, Duration::from_millis(1));
        }
        assert_eq!(pace.rows(), MOST);

        for _ in 0..20 {
            pace.pruned(MORE, Duration::from_millis(50));
        }
        assert_eq!(pace.rows(), FEWEST);
    }

    #[test]
    fn it_removes_more_than_commits_add_however_long_that_takes() {
        let mut pace = PruningPace::default();
        pace.committed(4000, Duration::from_millis(1));
        pace.pruned(MORE, Duration::from_secs(1));
        assert_eq!(pace.rows(), 8000);
    }

    #[test]
    fn it_may_take_as_long_as_a_commit() {
        let mut pace = PruningPace::default();
        pace.committed(10, Duration::from_millis(200));
        pace.pruned(MORE, Duration::from_millis(90));
        assert_eq!(pace.rows(), 2 * FEWEST);
    }
}
