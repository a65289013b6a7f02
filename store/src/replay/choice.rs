//! The choice for a service: rows, or events.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// Where the states of a service's entities come from when they are brought into memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loading {
    /// From their rows.
    #[default]
    Row,
    /// From their events.
    Replay {
        /// Writes a snapshot with the event by which the newest one is this old, and begins with it
        /// the next time; without it, everything is folded each time.
        snapshot_every: Option<NonZeroU64>,
    },
}

/// A text that is none of [`Loading`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither row nor replay nor replay:N")]
pub struct UnknownLoading;

impl Loading {
    /// A snapshot is written after at most this many events.
    pub const MOST_EVENTS: u64 = 1_000_000;

    /// After how many events a snapshot is written, if any is.
    #[must_use]
    pub fn snapshot_every(self) -> Option<NonZeroU64> {
        match self {
            Loading::Row => None,
            Loading::Replay { snapshot_every } => snapshot_every,
        }
    }
}

impl FromStr for Loading {
    type Err = UnknownLoading;

    /// `row`, `replay`, or `replay:100` with a snapshot every 100 events.
    fn from_str(text: &str) -> Result<Self, UnknownLoading> {
        if text == "row" {
            return Ok(Loading::Row);
        }
        let rest = text.strip_prefix("replay").ok_or(UnknownLoading)?;
        if rest.is_empty() {
            return Ok(Loading::Replay {
                snapshot_every: None,
            });
        }

        let digits = rest.strip_prefix(':').ok_or(UnknownLoading)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let every = is_number.then(|| digits.parse().ok()).flatten();
        let every = every
            .filter(|every| *every <= Self::MOST_EVENTS)
            .and_then(NonZeroU64::new)
            .ok_or(UnknownLoading)?;
        Ok(Loading::Replay {
            snapshot_every: Some(every),
        })
    }
}

impl fmt::Display for Loading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loading::Row => f.write_str("row"),
            Loading::Replay {
                snapshot_every: None,
            } => f.write_str("replay"),
            Loading::Replay {
                snapshot_every: Some(every),
            } => write!(f, "replay:{every}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loading_is_read_as_it_is_written() {
        for text in ["row", "replay", "replay:1", "replay:100", "replay:1000000"] {
            let loading: Loading = text.parse().unwrap();
            assert_eq!(loading.to_string(), text);
        }
        for wrong in [
            "",
            "rows",
            "Replay",
            "replay:",
            "replay:0",
            "replay:-1",
            "replay:+1",
            "replay:x",
            "replay 5",
            "replay:1000001",
            "replay:99999999999999999999",
        ] {
            assert_eq!(wrong.parse::<Loading>(), Err(UnknownLoading), "{wrong}");
        }
    }
}
