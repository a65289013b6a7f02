//! What the kernel says of this process, under the names that Prometheus' own clients use. Where it
//! says nothing (not Linux), these metrics are left out.

use std::fs;

use metrics::{counter, gauge};

use crate::metric_names as names;

/// Linux shows times in 1/100 s on every architecture.
const TICKS: u64 = 100;

/// Sets the metrics of the process to what holds now.
pub fn observe() {
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        for (field, metric, unit) in [
            ("VmRSS:", names::RESIDENT, 1024.0),
            ("RssAnon:", names::ANONYMOUS, 1024.0),
            ("Threads:", names::THREADS, 1.0),
        ] {
            if let Some(value) = number_behind(&status, field) {
                gauge!(metric).set(f64::from(value) * unit);
            }
        }
    }

    if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
        observe_times(&stat);
    }

    if let Ok(limits) = fs::read_to_string("/proc/self/limits")
        && let Some(most) = number_behind(&limits, "Max open files")
    {
        gauge!(names::MAX_FILES).set(f64::from(most));
    }

    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the listing's own.
        let open = u32::try_from(open.count().saturating_sub(1)).unwrap_or(u32::MAX);
        gauge!(names::OPEN_FILES).set(f64::from(open));
    }
}

fn observe_times(stat: &str) {
    if let Some(seconds) = cpu_seconds(stat) {
        counter!(names::CPU).absolute(seconds);
    }

    let kernel = fs::read_to_string("/proc/stat").unwrap_or_default();
    let booted = kernel.lines().find_map(|line| line.strip_prefix("btime "));
    if let (Some(since_boot), Some(booted)) = (started(stat), booted)
        && let Ok(booted) = booted.trim().parse::<u32>()
    {
        gauge!(names::START_TIME).set(f64::from(booted) + since_boot);
    }
}

/// The first number behind the name of a field, in a text with one field per line.
fn number_behind(text: &str, field: &str) -> Option<u32> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The fields of `/proc/self/stat` behind the name, which stands in parentheses and may hold
/// spaces; the first of them is the third of the line.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    Some(behind_name.split_whitespace())
}

/// User and system time: fields 14 and 15.
fn cpu_seconds(stat: &str) -> Option<u64> {
    let mut times = fields(stat)?.skip(11).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some((user + system) / TICKS)
}

/// When the process has started, in seconds after the machine has: field 22.
fn started(stat: &str) -> Option<f64> {
    let ticks: u64 = fields(stat)?.nth(19)?.parse().ok()?;
    Some(f64::from(u32::try_from(ticks / TICKS).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood() {
        assert_eq!(
            number_behind("Name:\tx\nRssAnon:\t  512 kB\n", "RssAnon:"),
            Some(512)
        );
        let limits = "Max open files            1024                 524288               files";
        assert_eq!(number_behind(limits, "Max open files"), Some(1024));

        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 4 0 12345 9";
        assert_eq!(cpu_seconds(stat), Some(4));
        assert_eq!(started(stat), Some(123.0));
    }
}
