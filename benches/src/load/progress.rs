//! How far a phase is: a bar on a terminal, a line every few seconds otherwise. It looks at the
//! server's memory on the way, since nobody can ask for its peak afterwards.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::options::Amount;
use super::process;
use crate::rate::per_second;

/// Time between two lines when there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows how far a phase is.
#[derive(Debug)]
pub struct Progress {
    title: &'static str,
    amount: Amount,
    bar: Option<ProgressBar>,
    next_line: Duration,
    /// Completed requests and time at the previous look, for the rate of the moment.
    before: (u64, Duration),
    servers: Vec<u32>,
    /// Most anonymous memory of the server seen so far, in KiB.
    pub peak_rss_anon: u64,
}

impl Progress {
    /// Begins to show a phase; `servers` are the processes whose memory it watches.
    #[must_use]
    pub fn new(title: &'static str, amount: Amount, servers: Vec<u32>) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| bar(title, amount));
        Progress {
            title,
            amount,
            bar,
            next_line: LINE_EVERY,
            before: (0, Duration::ZERO),
            servers,
            peak_rss_anon: 0,
        }
    }

    /// Shows that `completed` requests have ended `elapsed` after the start.
    pub fn show(&mut self, completed: u64, elapsed: Duration) {
        if let Some(sample) = process::sample_all(&self.servers) {
            self.peak_rss_anon = self.peak_rss_anon.max(sample.rss_anon);
        }

        if self.bar.is_none() && elapsed < self.next_line {
            return;
        }

        let rate = per_second(
            completed - self.before.0,
            elapsed.saturating_sub(self.before.1),
        );

        self.before = (completed, elapsed);

        match &self.bar {
            Some(bar) => {
                bar.set_position(match self.amount {
                    Amount::Requests(_) => completed,
                    Amount::Time(_) => elapsed.as_secs(),
                });
                bar.set_message(format!("{completed} completed, {rate:.0}/s"));
            }
            None => {
                eprintln!(
                    "{}: {completed} completed after {:.0} s, {rate:.0}/s",
                    self.title,
                    elapsed.as_secs_f64()
                );
                self.next_line = elapsed + LINE_EVERY;
            }
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(title: &'static str, amount: Amount) -> ProgressBar {
    let length = match amount {
        Amount::Requests(requests) => requests,
        Amount::Time(time) => time.as_secs(),
    };
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(5))
        .with_prefix(title);
    match ProgressStyle::with_template(
        "{prefix} [{bar:40}] {percent:>3} % {msg} (about {eta} left)",
    ) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
