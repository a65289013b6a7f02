//! The program that measures coordination and bulk requests: see `benches::coordination`.

use benches::coordination::options::{Options, What};
use benches::coordination::{bulk, ways};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let Options { counterfoil, what } = Options::parse();
    match what {
        What::Ways(options) => print!("{}", ways::measure(&counterfoil, &options)?),
        What::Bulk(options) => print!("{}", bulk::measure(&counterfoil, &options)?),
    }
    Ok(())
}
