//! The program that measures how far views are behind: see `benches::lag`. Exits with 1 when a read
//! was stale or failed.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use benches::lag::options::Options;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let json = options.json.clone();
    let report = benches::lag::run(options)?;

    match json.as_deref() {
        Some(path) => {
            eprint!("{report}");
            write(path, &report)?;
        }
        None => print!("{report}"),
    }

    Ok(if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn write(path: &Path, report: &benches::lag::report::Report) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    if path == Path::new("-") {
        print!("{text}");
        return Ok(());
    }
    std::fs::write(path, text).with_context(|| format!("json: cannot write {}", path.display()))
}
