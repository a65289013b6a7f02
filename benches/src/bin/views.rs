//! The program that measures the views without HTTP: see `benches::views`.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    benches::views::run(benches::views::options::Options::parse())
}
