//! Counts and times as the floating point numbers that a report shows.
//!
//! One place, because the lossless conversions of the standard library end at `u32`. Only for
//! showing: nothing that is compared exactly (money, versions) passes through here.

use std::time::Duration;

/// A count as a number to calculate with; counts beyond `u32` are shown by their upper and lower
/// half.
#[must_use]
pub fn number(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(count & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

/// Events per second; zero when no time has passed.
#[must_use]
pub fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() {
        0.0
    } else {
        number(count) / time.as_secs_f64()
    }
}

/// Microseconds of `time` per event; zero without events.
#[must_use]
pub fn micros_each(time: Duration, count: u64) -> f64 {
    if count == 0 {
        0.0
    } else {
        time.as_secs_f64() * 1e6 / number(count)
    }
}

/// Rounded to `decimals` digits, so that a JSON report is readable.
#[must_use]
pub fn rounded(value: f64, decimals: i32) -> f64 {
    let unit = 10f64.powi(decimals);
    (value * unit).round() / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_beyond_32_bits_keeps_its_size() {
        assert!((number(5_000_000_000) - 5e9).abs() < 1.0);
        assert!((number(u64::from(u32::MAX)) - 4_294_967_295.0).abs() < 0.5);
    }

    #[test]
    fn no_time_and_no_events_are_no_division_by_zero() {
        assert!(per_second(10, Duration::ZERO).abs() < f64::EPSILON);
        assert!(micros_each(Duration::from_secs(1), 0).abs() < f64::EPSILON);
        assert!((per_second(10, Duration::from_secs(2)) - 5.0).abs() < 1e-9);
        assert!((micros_each(Duration::from_secs(1), 100_000) - 10.0).abs() < 1e-9);
    }
}
