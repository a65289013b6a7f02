//! The program of the cluster's floor: see `benches::cluster_floor`.

use std::process::ExitCode;

use benches::cluster_floor::{Options, check, serve};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix_web::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if !options.check {
        serve(options).await?;
        return Ok(ExitCode::SUCCESS);
    }

    let is_well = check::check(&options).await?;
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
