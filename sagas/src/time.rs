//! Points in time: microseconds since the Unix epoch, RFC 3339 UTC on the wire.
//!
//! Nothing here reads the clock; a time is always a value that comes in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, to the microsecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is no RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time such as 2026-01-31T12:00:00Z")]
pub struct TimestampError;

impl Timestamp {
    /// The last whole second that can be written: late enough to mean 'for ever'.
    pub const LAST: Timestamp = Timestamp(253_402_207_200_000_000);

    /// The point in time this many microseconds after the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The time `duration` later; the end of time when that cannot be represented.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(micros))
    }

    /// The time `duration` earlier; the beginning of time when that cannot be represented.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_sub(micros))
    }

    /// The time from `earlier` to this time; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Takes RFC 3339 alone, though the parser knows more forms. Times beyond what it can represent
    /// (the last two days of the year 9999) become the latest one it can.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let offset = offset_of(text).ok_or(TimestampError)?;
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return Ok(Timestamp(time.as_microsecond()).min(Timestamp::LAST));
        }
        let local = text
            .strip_suffix(offset)
            .and_then(|local| local.parse::<jiff::civil::DateTime>().ok());
        let last_days = jiff::civil::date(9999, 12, 30);
        local
            .filter(|local| local.date() >= last_days)
            .map(|_| Timestamp::LAST)
            .ok_or(TimestampError)
    }
}

/// The offset at the end of a text of the form `2026-01-31T12:00:00.123456+01:00`; `None` when it
/// has another form. It does not check whether there is such a day or hour.
fn offset_of(text: &str) -> Option<&str> {
    const SECONDS: &str = "0000-00-00T00:00:00";
    let (seconds, rest) = text.split_at_checked(SECONDS.len())?;

    let fits = |part: &str, form: &str| {
        part.len() == form.len()
            && part
                .bytes()
                .zip(form.bytes())
                .all(|(byte, form)| match form {
                    b'0' => byte.is_ascii_digit(),
                    b'T' => matches!(byte, b'T' | b't' | b' '),
                    other => byte == other,
                })
    };

    let offset = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|character: char| character.is_ascii_digit()),
        None => rest,
    };
    let fraction_is_empty = rest.starts_with('.') && rest.len() == offset.len() + 1;

    let is_offset = ["Z", "z", "+00:00", "-00:00"]
        .iter()
        .any(|form| fits(offset, form))
        && offset.get(1..3).is_none_or(|hours| hours < "24");
    (fits(seconds, SECONDS) && is_offset && !fraction_is_empty).then_some(offset)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_rfc_3339_to_the_microsecond_and_reads_back() {
        let time = Timestamp::from_micros(1_767_225_600_123_456);
        assert_eq!(time.to_string(), "2026-01-01T00:00:00.123456Z");
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!("2026-01-01T01:00:00.123456+01:00".parse(), Ok(time));
    }

    #[test]
    fn every_form_of_rfc_3339_is_read() {
        let time = Ok(Timestamp::from_micros(1_767_225_600_500_000));
        for text in [
            "2026-01-01T00:00:00.5Z",
            "2026-01-01t00:00:00.500z",
            "2026-01-01 00:00:00.500000000Z",
            "2026-01-01T00:00:00.5-00:00",
            "2025-12-31T19:30:00.5-04:30",
            "2026-01-01T23:59:00.5+23:59",
        ] {
            assert_eq!(text.parse(), time, "{text}");
        }
        assert!("2016-12-31T23:59:60Z".parse::<Timestamp>().is_ok());
    }

    #[test]
    fn what_is_no_rfc_3339_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-01-01",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:55,5Z",
            "2026-01-01T00:00:55.Z",
            "2026-01-01T00:00:00+01",
            "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00Z[UTC]",
            "20260101T000000Z",
            "+002026-01-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "9999-12-32T00:00:00Z",
            "9999-12-31T24:00:00Z",
            "10000-01-01T00:00:00Z",
            "٢٠26-01-01T00:00:00Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }

    #[test]
    fn a_time_beyond_the_last_that_can_be_written_is_that_one() {
        let last = Timestamp::LAST;

        for text in [
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999-23:59",
            "9999-12-30T22:00:00.7Z",
        ] {
            assert_eq!(text.parse(), Ok(last), "{text}");
        }

        assert!("9999-12-30T12:00:00Z".parse::<Timestamp>().unwrap() < last);

        assert_eq!(
            (last.to_string().as_str(), last.to_string().parse()),
            ("9999-12-30T22:00:00Z", Ok(last))
        );
    }
}
