//! One picture of several runs: bars for the rate and for the latencies p50 and p99, as SVG.
//!
//! Each group of bars has a scale of its own, from zero to its largest value, and each bar its number beside it.

use std::fmt::Write;

use crate::load::report::Report;

const WIDTH: f64 = 860.0;
const LABEL_WIDTH: f64 = 250.0;
const NUMBER_WIDTH: f64 = 90.0;
const BAR: f64 = 18.0;
const GAP: f64 = 8.0;
const HEADING: f64 = 44.0;

/// A group of bars.
struct Group {
    heading: &'static str,
    colour: &'static str,
    value: fn(&Report) -> f64,
    decimals: usize,
}

const GROUPS: [Group; 3] = [
    Group { heading: "completed per second", colour: "#2a6f97", value: |run| run.completed_per_second, decimals: 0 },
    Group { heading: "latency p50 (ms)", colour: "#52796f", value: |run| run.latency.p50, decimals: 2 },
    Group { heading: "latency p99 (ms)", colour: "#bc6c25", value: |run| run.latency.p99, decimals: 2 },
];

/// The picture; the runs from top to bottom in each group.
#[must_use]
pub fn svg(runs: &[Report]) -> String {
    let mut body = String::new();
    let mut y = 0.0;
    for group in &GROUPS {
        y += HEADING;
        text(&mut body, 10.0, y - 14.0, "bold", group.heading);
        let largest = runs.iter().map(group.value).fold(f64::EPSILON, f64::max);
        for run in runs {
            bar(&mut body, y, group, run, largest);
            y += BAR + GAP;
        }
    }
    let height = y + GAP;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

fn bar(body: &mut String, y: f64, group: &Group, run: &Report, largest: f64) {
    let value = (group.value)(run);
    let width = (WIDTH - LABEL_WIDTH - NUMBER_WIDTH) * value / largest;
    let baseline = y + BAR - 5.0;
    text(body, 20.0, baseline, "normal", &label(run));
    let colour = group.colour;
    // Writing to a string cannot fail.
    let _ =
        writeln!(body, "<rect x=\"{LABEL_WIDTH}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>");
    text(body, LABEL_WIDTH + width + 6.0, baseline, "normal", &format!("{value:.*}", group.decimals));
}

fn text(body: &mut String, x: f64, y: f64, weight: &str, what: &str) {
    let what = what.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" font-weight=\"{weight}\">{what}</text>");
}

/// The run's name, or what tells it from others.
fn label(run: &Report) -> String {
    if run.label.is_empty() {
        format!("{} in flight, {}, {}", run.settings.in_flight, run.settings.distribution, run.settings.path)
    } else {
        run.label.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::options::Options;
    use crate::load::recorder::Recorder;
    use clap::Parser;
    use std::time::Duration;

    fn run(label: &str, completed: u64) -> Report {
        let options = Options::try_parse_from(["load", "--label", label]).unwrap();
        let mut seen = Recorder::new().unwrap();
        (0..completed).for_each(|_| seen.complete(Duration::from_secs(1), Duration::from_millis(2)));
        Report::new(&options, seen, Duration::ZERO)
    }

    #[test]
    fn the_longest_bar_fills_the_width_and_names_are_escaped() {
        let picture = svg(&[run("floor <64>", 1_000), run("", 500)]);
        assert!(picture.contains("floor &lt;64>"));
        assert!(picture.contains("64 in flight, uniform, approved"));
        assert!(picture.contains("width=\"520.0\""));
        assert!(picture.contains("width=\"260.0\""));
    }
}
