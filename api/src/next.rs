//! The entry of the binary `counterfoil-next`: `counterfoil`, as the release after this one may be.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    api::cli::run()
}
