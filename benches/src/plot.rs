//! Pictures as SVG: bars. Of several runs of `load`, for the rate and for the latencies p50 and
//! p99.
//!
//! Each group of bars has a scale of its own, from zero to its largest value, and each bar its
//! number beside it.

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
    Group {
        heading: "completed per second",
        colour: "#2a6f97",
        value: |run| run.completed_per_second,
        decimals: 0,
    },
    Group {
        heading: "latency p50 (ms)",
        colour: "#52796f",
        value: |run| run.latency.p50,
        decimals: 2,
    },
    Group {
        heading: "latency p99 (ms)",
        colour: "#bc6c25",
        value: |run| run.latency.p99,
        decimals: 2,
    },
];

/// Bars with a scale of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Stands above the bars.
    pub heading: String,
    /// The bars' colour, as CSS names it.
    pub colour: &'static str,
    /// Digits after the point.
    pub decimals: usize,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// One bar with its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Stands to the left of the bar.
    pub label: String,
    /// The bar's length, and its number.
    pub value: f64,
}

/// The picture; the runs from top to bottom in each group.
#[must_use]
pub fn svg(runs: &[Report]) -> String {
    let chart = |group: &Group| Chart {
        heading: group.heading.to_owned(),
        colour: group.colour,
        decimals: group.decimals,
        bars: runs
            .iter()
            .map(|run| Bar {
                label: label(run),
                value: (group.value)(run),
            })
            .collect(),
    };

    draw(&GROUPS.iter().map(chart).collect::<Vec<_>>())
}

/// One picture of several charts, one below the other.
#[must_use]
pub fn draw(charts: &[Chart]) -> String {
    let mut body = String::new();

    let mut y = 0.0;
    for chart in charts {
        y += HEADING;
        text(&mut body, 10.0, y - 14.0, "bold", &chart.heading);
        let largest = chart
            .bars
            .iter()
            .map(|bar| bar.value)
            .fold(f64::EPSILON, f64::max);
        for bar in &chart.bars {
            draw_bar(&mut body, y, chart, bar, largest);
            y += BAR + GAP;
        }
    }

    let height = y + GAP;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

fn draw_bar(body: &mut String, y: f64, chart: &Chart, bar: &Bar, largest: f64) {
    let Bar { label, value } = bar;
    let width = (WIDTH - LABEL_WIDTH - NUMBER_WIDTH) * value / largest;
    let baseline = y + BAR - 5.0;
    text(body, 20.0, baseline, "normal", label);

    let colour = chart.colour;
    // Writing to a string cannot fail.
    let _ = writeln!(
        body,
        "<rect x=\"{LABEL_WIDTH}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" \
         fill=\"{colour}\"/>"
    );

    text(
        body,
        LABEL_WIDTH + width + 6.0,
        baseline,
        "normal",
        &format!("{value:.*}", chart.decimals),
    );
}

fn text(body: &mut String, x: f64, y: f64, weight: &str, what: &str) {
    let what = what.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-weight=\"{weight}\">{what}</text>"
    );
}

/// The run's name, or what tells it from others.
fn label(run: &Report) -> String {
    if run.label.is_empty() {
        format!(
            "{} in flight, {}, {}",
            run.settings.in_flight, run.settings.distribution, run.settings.path
        )
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
        (0..completed)
            .for_each(|_| seen.complete(Duration::from_secs(1), Duration::from_millis(2)));
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
