//! The picture of the comparison: for each number of recent customers the medians, as measured and
//! with a network.

use super::report::{NETWORK_MILLIS, Report, WayReport};
use crate::plot::{Bar, Chart, draw};

const MEASURED: &str = "#2a6f97";
const WITH_NETWORK: &str = "#bc6c25";

/// The picture. It leaves out the ways without an index: they would dwarf all else.
#[must_use]
pub fn svg(report: &Report) -> String {
    let mut recent: Vec<u32> = report.ways.iter().map(|way| way.recent).collect();
    recent.dedup();

    let charts = recent.into_iter().flat_map(|recent| {
        let measured = chart(report, recent, "in one process", MEASURED, |way| {
            way.latency.p50
        });
        let with_network = format!("and {NETWORK_MILLIS} ms a round trip (computed)");
        [
            measured,
            chart(report, recent, &with_network, WITH_NETWORK, |way| {
                way.p50_with_network
            }),
        ]
    });
    draw(&charts.collect::<Vec<_>>())
}

fn chart(
    report: &Report,
    recent: u32,
    what: &str,
    colour: &'static str,
    value: fn(&WayReport) -> f64,
) -> Chart {
    let ways = report
        .ways
        .iter()
        .filter(|way| way.recent == recent && way.latency.count > 0);
    let ways = ways.filter(|way| !way.way.lacks_its_index());

    let bar = |way: &WayReport| Bar {
        label: format!("{}: {} trips", way.way, way.round_trips),
        value: value(way),
    };

    let heading = format!("{recent} recent customers, median in ms, {what}");
    Chart {
        heading,
        colour,
        decimals: 2,
        bars: ways.map(bar).collect(),
    }
}
