//! A history that goes round in circles without time passing has no violation and no end: somebody
//! from outside must notice.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A history takes some milliseconds; on a machine that is busy with other things, seconds.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

pub static WATCHDOG: Watchdog = Watchdog {
    under_way: Mutex::new(BTreeMap::new()),
};

const ENDLESS: &str = "it does not end";

/// The seed of the history without an end that a process has told of.
#[cfg(feature = "mistakes")]
pub fn endless_in(said: &str) -> Option<u64> {
    let seed = |line: &str| {
        let seed = line.strip_prefix("seed ")?.strip_suffix(ENDLESS)?;
        seed.trim_end_matches([':', ' ']).parse().ok()
    };
    said.lines().find_map(seed)
}

/// Watches the histories that are under way.
pub struct Watchdog {
    /// Since when, by seed.
    under_way: Mutex<BTreeMap<u64, Instant>>,
}

impl Watchdog {
    /// Runs the history of a seed, watched.
    pub fn watched<T>(&self, seed: u64, history: impl FnOnce() -> T) -> T {
        self.change(|under_way| under_way.insert(seed, Instant::now()));
        let outcome = history();
        self.change(|under_way| under_way.remove(&seed));
        outcome
    }

    /// From now on, ends the process with a word about a history that does not end by itself: its
    /// thread cannot be stopped.
    pub fn watch(&'static self) {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                if let Some(seed) = self.endless() {
                    println!("seed {seed}: {ENDLESS}");
                    std::process::exit(1);
                }
            }
        });
    }

    fn endless(&self) -> Option<u64> {
        self.change(|under_way| {
            let mut under_way = under_way.iter();
            let endless = under_way.find(|(_, since)| since.elapsed() > ENDS_WITHIN);
            endless.map(|(seed, _)| *seed)
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<u64, Instant>) -> T) -> T {
        change(&mut self.under_way.lock().expect("nobody panics with it"))
    }
}
