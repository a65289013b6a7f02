//! How far an import is: a bar on a terminal, a plain line now and then elsewhere, both on stderr.
//!
//! It moves by the bytes of the input whose lines have *ended*, not by those read: reading runs far
//! ahead.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::output;

const BETWEEN_LINES: Duration = Duration::from_secs(5);
const KNOWN_LENGTH: &str = "{bar:30} {percent:>3} %  {msg}  {elapsed} (about {eta} left)";
const UNKNOWN_LENGTH: &str = "{spinner} {bytes}  {msg}  {elapsed}";

/// Tells a person how far the work is.
#[derive(Debug)]
pub enum Progress {
    Bar(ProgressBar),
    Lines {
        length: Option<u64>,
        position: u64,
        told: Instant,
    },
    Silent,
}

impl Progress {
    /// The form that suits stderr. `length` is that of the input in bytes, when known.
    pub fn for_stderr(length: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines {
                length,
                position: 0,
                told: Instant::now(),
            };
        }

        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());

        let template = match length {
            Some(_) => KNOWN_LENGTH,
            None => UNKNOWN_LENGTH,
        };

        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        // The clock goes on while nothing ends, so that a pause is not taken for a hang.
        bar.enable_steady_tick(Duration::from_millis(250));

        Self::Bar(bar)
    }

    /// A line that stands for `bytes` of the input has ended, the `orders`th order among them.
    pub fn advance(&mut self, bytes: u64, orders: u64) {
        match self {
            Self::Bar(bar) => {
                bar.inc(bytes);
                bar.set_message(format!("{orders} orders"));
            }

            Self::Lines {
                length,
                position,
                told,
            } => {
                *position = position.saturating_add(bytes);
                if told.elapsed() >= BETWEEN_LINES {
                    *told = Instant::now();
                    output::note(&plain_line(*position, *length, orders));
                }
            }

            Self::Silent => {}
        }
    }

    /// A line of its own, beside the progress.
    pub fn note(&self, line: &str) {
        match self {
            Self::Bar(bar) => bar.suspend(|| output::note(line)),
            Self::Lines { .. } => output::note(line),
            Self::Silent => tracing::warn!("{line}"),
        }
    }

    /// The lines have ended; what remains is to wait for the views.
    pub fn waiting_for_views(&self) {
        match self {
            Self::Bar(bar) => bar.set_message("waiting for the views"),
            Self::Lines { .. } => output::note("import: all lines played, waiting for the views"),
            Self::Silent => {}
        }
    }

    /// Removes the bar; plain lines stay.
    pub fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn plain_line(position: u64, length: Option<u64>, orders: u64) -> String {
    match length {
        Some(length) if length > 0 => {
            let percent = position
                .saturating_mul(100)
                .checked_div(length)
                .unwrap_or_default()
                .min(100);
            format!("import: {percent} %, {orders} orders")
        }
        _ => format!("import: {position} bytes, {orders} orders"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_templates_are_valid() {
        for template in [KNOWN_LENGTH, UNKNOWN_LENGTH] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn a_plain_line_gives_percent_only_when_the_end_is_known() {
        assert_eq!(plain_line(50, Some(200), 7), "import: 25 %, 7 orders");
        assert_eq!(plain_line(50, None, 7), "import: 50 bytes, 7 orders");
        assert_eq!(plain_line(0, Some(0), 0), "import: 0 bytes, 0 orders");
    }
}
