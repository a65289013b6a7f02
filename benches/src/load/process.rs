//! Memory and processor time of a process, from `/proc`.
//!
//! Linux only; elsewhere, and when the process is gone, there is simply no sample.

use std::time::Duration;

/// Clock ticks per second in `/proc/PID/stat`: `USER_HZ`, 100 on every Linux this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// What a process uses at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// User and system time since the process began.
    pub cpu: Duration,
    /// Anonymous memory in KiB: what the process holds itself, without mapped files.
    pub rss_anon: u64,
}

/// What the processes use together now; none when there is none of them to look at.
#[must_use]
pub fn sample_all(pids: &[u32]) -> Option<Sample> {
    let samples = pids.iter().map(|pid| sample(*pid));
    samples
        .reduce(|sum, more| {
            let (sum, more) = (sum?, more?);
            Some(Sample {
                cpu: sum.cpu + more.cpu,
                rss_anon: sum.rss_anon + more.rss_anon,
            })
        })
        .flatten()
}

/// What the process uses now.
#[must_use]
pub fn sample(pid: u32) -> Option<Sample> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Sample {
        cpu: cpu(&stat)?,
        rss_anon: rss_anon(&status)?,
    })
}

/// Fields 14 and 15 of `stat`, counted after the command's name, which may itself contain spaces
/// and brackets.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + system) * 1_000 / TICKS_PER_SECOND,
    ))
}

fn rss_anon(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_a_name_with_brackets() {
        let stat = "77 (a (b) c) S 1 77 77 0 -1 4194560 10 0 0 0 250 150 0 0 20 0 4 0 100 1000 10";
        assert_eq!(cpu(stat), Some(Duration::from_secs(4)));
    }

    #[test]
    fn anonymous_memory_is_read_in_kibibytes() {
        assert_eq!(
            rss_anon("VmRSS:\t  900 kB\nRssAnon:\t  512 kB\nRssFile:\t 1 kB\n"),
            Some(512)
        );
        assert_eq!(rss_anon("Name:\tx\n"), None);
    }
}
