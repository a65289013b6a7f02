//! The load generator's program: see `benches::load`. Exits with 1 when the run failed or its end
//! state is wrong.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use benches::load::options::Options;
use benches::load::report::Report;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let json = options.json.clone();
    let report = benches::load::run(options)?;

    match json.as_deref() {
        Some(path) => {
            eprint!("{report}");
            write_json(path, &report)?;
        }
        None => print!("{report}"),
    }

    Ok(if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn write_json(path: &Path, report: &Report) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    if path == Path::new("-") {
        print!("{text}");
        return Ok(());
    }
    std::fs::write(path, text).with_context(|| format!("json: cannot write {}", path.display()))
}
