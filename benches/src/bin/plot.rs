//! Turns reports of the load generator into one picture: `plot --out figures.svg RUN.json ...`.

use std::path::PathBuf;

use anyhow::Context;
use benches::load::report::Report;
use clap::Parser;

/// Draws the rates and latencies of several `load --json` reports.
#[derive(Debug, Parser)]
#[command(name = "plot", version)]
struct Options {
    /// The picture to write.
    #[arg(long, default_value = "figures.svg")]
    out: PathBuf,
    /// Reports, in the order in which they are drawn.
    #[arg(required = true)]
    reports: Vec<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();

    let read = |path: &PathBuf| -> anyhow::Result<Report> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not a report of load", path.display()))
    };

    let reports = options
        .reports
        .iter()
        .map(read)
        .collect::<anyhow::Result<Vec<Report>>>()?;
    let picture = benches::plot::svg(&reports);
    std::fs::write(&options.out, picture)
        .with_context(|| format!("cannot write {}", options.out.display()))
}
